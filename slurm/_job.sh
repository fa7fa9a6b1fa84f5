# shellcheck shell=bash
# Sourced by the job scripts beside it, inside a job, once `python` is the one with mpi_pgpe.
#   launch PROGRAM [ARGUMENT...]   runs it on all ranks of the job, with the launcher that works here
#   train [ARGUMENT...]            mpi_pgpe.train until it is complete, over as many requeues as that takes,
#                                  with the settings in PRESET before those of the arguments
# Settings (environment):
#   LAUNCHER     the launcher, e.g. "srun --mpi=pmix"; default: the first that makes one world of all ranks
#   CHECKPOINT   folder for the checkpoints (checkpoints/job-ID); a later job goes on from it
#   MAX_RETRIES  requeues before the job gives up (20)
#   RESERVE      seconds before the time limit at which the run is to have ended, more than --signal's (330)

for variable in OMP OPENBLAS MKL BLIS; do export "${variable}_NUM_THREADS=1"; done # a rank is one thread
JOB=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
JOB=${JOB:-$SLURM_JOB_ID}

declare -F unstage >/dev/null || unstage() { :; } # stage_env.sh has another
trap unstage EXIT

say() { echo "$(date +%FT%T) job $JOB: $*"; }

fail() { # fail EXIT_CODE MESSAGE...
  local code=$1
  shift
  say "$*" >&2
  exit "$code"
}

# -- the launcher ---------------------------------------------------------------------------------------

WORLD='from mpi4py import MPI
world = MPI.COMM_WORLD
hosts = world.gather(MPI.Get_processor_name())
if hosts: print(f"world of {world.size} ranks on {len(set(hosts))} hosts", flush=True)'

candidates() { # one launcher a line, the likeliest first
  local library beside launcher found=()
  if [ -n "${LAUNCHER:-}" ]; then
    echo "$LAUNCHER"
    return
  fi
  library=$(python -c 'import mpi4py; mpi4py.rc.initialize = False
from mpi4py import MPI; print(MPI.Get_library_version())')
  beside=$(dirname "$(command -v python)")/mpiexec
  # An MPI installed with pip brings its own mpiexec. MPICH 5 under srun --mpi=pmi2 may start one program and fail
  # with the next, because its messages are longer than Slurm takes ("mpi/pmi2: invalid client request").
  [ ! -x "$beside" ] || found+=(mpiexec)
  case $library in
  *"Open MPI"*) found+=("srun --mpi=pmix" mpiexec "srun --mpi=pmi2") ;;
  *) found+=("srun --mpi=pmi2" "srun --mpi=pmix" mpiexec) ;;
  esac
  for launcher in "${found[@]}"; do
    if [ "$launcher" = mpiexec ]; then
      ! command -v mpiexec >/dev/null || echo mpiexec
    elif grep -qw "${launcher#*=}" < <(srun --mpi=list 2>&1); then
      echo "$launcher --kill-on-bad-exit=1"
    fi
  done
}

# A launcher that does not belong to the MPI library starts N worlds of one rank, and ends well. So ask it.
choose_launcher() {
  local launcher answer tried=()
  RANKS=${SLURM_NTASKS:?the job script has to ask for a number of ranks: --ntasks-per-node or --ntasks}
  while read -r launcher; do
    # shellcheck disable=SC2086  # words of a command
    answer=$(timeout 120 $launcher -n "$RANKS" python -c "$WORLD" 2>&1 </dev/null) || true
    if [ "$(grep -c '^world of ' <<<"$answer")" = 1 ] && grep -q "^world of $RANKS ranks" <<<"$answer"; then
      read -ra LAUNCH <<<"$launcher -n $RANKS"
      say "$(grep '^world of ' <<<"$answer"), by $launcher"
      return
    fi
    tried+=("-- $launcher -n $RANKS:" "$(sort <<<"$answer" | uniq -c | head -n 5)")
  done < <(candidates)
  printf '%s\n' "${tried[@]}" >&2
  fail 1 "expected a launcher that makes one world of $RANKS ranks, got the answers above. The launcher has to belong" \
    "to the MPI library of $(command -v python); name it by LAUNCHER, e.g. LAUNCHER='srun --mpi=pmix' sbatch ..."
}

launch() { # launch PROGRAM [ARGUMENT...]: returns its exit code
  choose_launcher
  run "$@"
}

# In the background, because bash hears signals only while it waits.
run() {
  local code
  [ -z "$STOPPING" ] || return 75
  ( # the program ends its launcher by this name when a host is lost, for which that would wait
    MPI_PGPE_LAUNCHER=$(hostname):$BASHPID
    export MPI_PGPE_LAUNCHER
    exec "${LAUNCH[@]}" "$@" </dev/null
  ) &
  PROGRAM=$!
  [ -z "$STOPPING" ] || kill -USR1 "$PROGRAM"
  while true; do
    code=0
    { wait "$PROGRAM"; } 2>/dev/null || code=$? # without bash's "Killed"
    kill -0 "$PROGRAM" 2>/dev/null || return "$code" # else a signal ended the wait
  done
}
STOPPING='' PROGRAM='' PRESET=()

# -- training until it is complete ----------------------------------------------------------------------

train() {
  local folder=${CHECKPOINT:-checkpoints/job-$JOB} settings limit code=0 progress
  prepare "$@"
  if [ -e "$folder/completed.json" ]; then
    say "the run is complete already: $folder/completed.json; nothing to do"
    return
  fi
  trap 'stop "the time limit is near"' USR1
  trap 'stop "asked to end"' TERM
  choose_launcher
  settings=("${PRESET[@]}" "checkpoint=$folder" resume=auto)
  limit=$(walltime)
  [ -z "$limit" ] || settings+=("$limit")
  say "attempt $((${SLURM_RESTART_COUNT:-0} + 1)): mpi_pgpe.train ${BEFORE[*]} with ${settings[*]} ${AFTER[*]}"
  run python -m mpi_pgpe.train "${BEFORE[@]}" with "${settings[@]}" "${AFTER[@]}" || code=$?

  # mpiexec's exit code is not to be trusted when a host is lost; the program's own mark is.
  progress=$(find "$folder" -name 'checkpoint-*.npz' -newer "$folder/.attempt" | head -n 1)
  if [ -e "$folder/completed.json" ]; then
    say "complete"
  elif [ "$code" = 75 ] || [ -n "$STOPPING" ]; then
    requeue "the run ended in order before it was complete"
  elif [ -n "$progress" ]; then
    requeue "the run ended in disorder (exit code $code), but it had made progress"
  else
    [ "$code" != 0 ] || code=1
    fail "$code" "the run failed (exit code $code, messages above) before it made progress; it is not tried again"
  fi
}

prepare() { # prepare ARGUMENT...: sets BEFORE and AFTER sacred's `with`, and makes the checkpoints' $folder
  local argument
  BEFORE=() AFTER=()
  while [ $# -gt 0 ] && [ "$1" != with ]; do
    BEFORE+=("$1")
    shift
  done
  AFTER=("${@:2}")
  for argument in "${AFTER[@]}"; do
    case $argument in checkpoint=*) folder=${argument#*=} ;; esac
  done
  if [ "$folder" = "checkpoints/job-$JOB" ] && [ -z "${SLURM_RESTART_COUNT:-}" ] && [ -e "$folder" ]; then
    fail 1 "$folder is there already, from another job of this number; move it away, or go on from it:" \
      "CHECKPOINT=$folder sbatch ..."
  fi
  mkdir -p "$folder"
  touch "$folder/.attempt"
}

stop() { # stop REASON
  say "$1; the run is told to end in order"
  STOPPING=yes
  [ -z "$PROGRAM" ] || kill -USR1 "$PROGRAM" 2>/dev/null || true
}

walltime() { # max_walltime=HH:MM:SS for the program; nothing where the job has no limit
  local left reserve=${RESERVE:-330}
  left=$(squeue -h -j "$JOB" -o %L)
  [[ $left =~ ^(([0-9]+)-)?(([0-9]+):)?([0-9]+):([0-9]+)$ ]] || return 0
  left=$((((10#0${BASH_REMATCH[2]} * 24 + 10#0${BASH_REMATCH[4]}) * 60 + 10#0${BASH_REMATCH[5]}) * 60 + \
    10#0${BASH_REMATCH[6]}))
  [ "$left" -gt $((2 * reserve)) ] || reserve=$((left / 2))
  left=$((left - reserve))
  printf 'max_walltime=%02d:%02d:%02d\n' $((left / 3600)) $((left / 60 % 60)) $((left % 60))
}

requeue() { # requeue REASON: the job goes back into the queue and ends here
  local state retries=${SLURM_RESTART_COUNT:-0} limit=${MAX_RETRIES:-20}
  state=$(squeue -h -j "$JOB" -o %T) || true
  case $state in
  RUNNING) ;;
  *) fail 75 "$1; it is not requeued, because the job is ${state:-gone}. To go on: CHECKPOINT=$folder sbatch ..." ;;
  esac
  if [ "$retries" -ge "$limit" ]; then
    fail 75 "$1; it was requeued $retries times, no more. To go on: CHECKPOINT=$folder sbatch ..."
  fi
  say "$1; requeued ($((retries + 1)) of at most $limit times)"
  unstage # now, because Slurm ends this script
  scontrol requeue "$JOB" || fail 75 "cannot be requeued. To go on: CHECKPOINT=$folder sbatch ..."
  exit 0
}

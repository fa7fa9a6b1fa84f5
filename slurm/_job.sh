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
export PRTE_MCA_hwloc_default_binding_policy=none # Open MPI binds to the first cores, those of other jobs on the node, too
export SLURM_EXPORT_ENV=ALL   # the ranks have this script's environment, even after sbatch --export=NONE
export SLURM_KILL_BAD_EXIT=1  # srun ends all ranks when one of them dies
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
from mpi4py import MPI; print(MPI.Get_library_version().strip("\0"))')
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
      echo "$launcher"
    fi
  done
}

# A launcher that does not belong to the MPI library starts N worlds of one rank, and ends well. So ask it. One that
# leaves nodes without ranks serves only where no other does better.
choose_launcher() {
  local launcher answer world chosen='' made='' every_node=" on $SLURM_JOB_NUM_NODES hosts" tried=()
  RANKS=${SLURM_NTASKS:?the job script has to ask for a number of ranks: --ntasks-per-node or --ntasks}
  while read -r launcher; do
    # shellcheck disable=SC2086  # words of a command
    answer=$(timeout -k 10 120 $launcher -n "$RANKS" python -c "$WORLD" 2>&1 </dev/null) || true
    world=$(grep '^world of ' <<<"$answer") || true
    if [[ $world == *$'\n'* || $world != "world of $RANKS ranks on "* ]]; then
      tried+=("-- $launcher -n $RANKS:" "$(sort <<<"$answer" | uniq -c | sed -n 1,5p)")
    elif [ -z "$chosen" ] || [[ $world == *"$every_node" ]]; then
      chosen=$launcher made=$world
      [[ $made != *"$every_node" ]] || break
    fi
  done < <(candidates)
  if [ -z "$chosen" ]; then
    printf '%s\n' "${tried[@]}" >&2
    fail 1 "expected a launcher that makes one world of $RANKS ranks, got the answers above. The launcher has to belong" \
      "to the MPI library of $(command -v python); name it by LAUNCHER, e.g. LAUNCHER='srun --mpi=pmix' sbatch ..."
  fi
  read -ra LAUNCH <<<"$chosen -n $RANKS"
  say "$made, by $chosen"
  [[ $made == *"$every_node" ]] ||
    say "warning: the job has $SLURM_JOB_NUM_NODES nodes, so some have nothing to do; name a LAUNCHER that spreads the ranks"
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
  local folder=${CHECKPOINT:-checkpoints/job-$JOB} arguments before='' settings limit code=0 progress
  MAX_RETRIES=${MAX_RETRIES:-20} RESERVE=${RESERVE:-330}
  [[ $MAX_RETRIES/$RESERVE =~ ^[0-9]+/[0-9]+$ ]] ||
    fail 1 "expected numbers in MAX_RETRIES and RESERVE, got '$MAX_RETRIES' and '$RESERVE'"
  prepare "$@"
  arguments="${PRESET[*]@Q} ${*@Q}"
  [ ! -e "$folder/.attempt" ] || { read -r _ && IFS= read -r before; } <"$folder/.attempt" || true
  if completed && [ "$before" = "$arguments" ]; then
    say "the run is complete already: $folder/completed.json; nothing to do"
    return
  fi
  refuse_company
  printf '%s\n' "$JOB" "$arguments" >"$folder/.attempt"
  trap 'stop "the time limit is near"' USR1
  trap 'stop "asked to end"' TERM
  choose_launcher
  refuse_company # if two jobs began at once, the file is the other's now for one of them
  settings=("${PRESET[@]}" "checkpoint=$folder" resume=auto)
  limit=$(walltime)
  [ -z "$limit" ] || settings+=("$limit")
  say "attempt $((${SLURM_RESTART_COUNT:-0} + 1)): mpi_pgpe.train ${BEFORE[*]} with ${settings[*]} ${AFTER[*]}"
  run python -m mpi_pgpe.train "${BEFORE[@]}" with "${settings[@]}" "${AFTER[@]}" || code=$?

  # mpiexec's exit code is not to be trusted when a host is lost; the program's own mark is.
  progress=$(find "$folder" -name 'checkpoint-*.npz' -newer "$folder/.attempt" -print -quit)
  if completed; then
    say "complete"
  elif [ "$code" = 75 ] || [ -n "$STOPPING" ]; then
    requeue "the run ended in order before it was complete"
  elif [ -n "$progress" ]; then
    requeue "the run ended in disorder (exit code $code), but it had made progress"
  else
    fail $((code ? code : 1)) "the run ended (exit code $code, messages above) before it made progress;" \
      "it is not tried again"
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
    case $argument in
    checkpoint=*) folder=${argument#*=} ;;
    resume=*) fail 1 "expected no resume=, because a job goes on by itself; from another one: CHECKPOINT=FOLDER sbatch ..." ;;
    esac
  done
  if [ "$folder" = "checkpoints/job-$JOB" ] && [ -z "${SLURM_RESTART_COUNT:-}" ] && [ -e "$folder" ]; then
    fail 1 "$folder is there already, from another job of this number; move it away, or go on from it:" \
      "CHECKPOINT=$folder sbatch ..."
  fi
  mkdir -p "$folder"
}

completed() { # and not by another run with its checkpoints there, before the last attempt of this one
  [ "$folder/completed.json" -nt "$folder/.attempt" ]
}

refuse_company() { # $folder/.attempt: the job that was the last to begin with these checkpoints; its arguments
  local other=$JOB
  [ ! -e "$folder/.attempt" ] || read -r other <"$folder/.attempt" || true
  if [ "$other" != "$JOB" ] && [ -n "$(squeue -h -j "$other" -t RUNNING -o %i 2>/dev/null)" ]; then
    fail 1 "job $other is running with the checkpoints in $folder; wait for it, or choose another CHECKPOINT"
  fi
}

stop() { # stop REASON
  say "$1; the run is told to end in order"
  STOPPING=yes
  [ -z "$PROGRAM" ] || kill -USR1 "$PROGRAM" 2>/dev/null || true
}

walltime() { # max_walltime=HH:MM:SS for the program; nothing where the job has no limit
  local left reserve=$RESERVE
  left=$(squeue -h -j "$JOB" -o %L)
  [[ $left =~ ^(([0-9]+)-)?(([0-9]+):)?([0-9]+):([0-9]+)$ ]] || return 0
  left=$((((10#0${BASH_REMATCH[2]} * 24 + 10#0${BASH_REMATCH[4]}) * 60 + 10#0${BASH_REMATCH[5]}) * 60 + \
    10#0${BASH_REMATCH[6]}))
  [ "$left" -gt $((2 * reserve)) ] || reserve=$((left / 2))
  left=$((left - reserve))
  printf 'max_walltime=%02d:%02d:%02d\n' $((left / 3600)) $((left / 60 % 60)) $((left % 60))
}

requeue() { # requeue REASON: the job goes back into the queue and ends here
  local answer state restarts said='' tries=0 retries=${SLURM_RESTART_COUNT:-0}
  local go_on="To go on: CHECKPOINT=$folder sbatch ... with the same arguments"
  until answer=$(squeue -h -j "$JOB" -O State,RestartCnt) && read -r state restarts <<<"$answer" && allowed "$1" &&
    scontrol requeue "$JOB"; do # Slurm's own daemon may be away for a while
    [ $((tries += 1)) -lt 5 ] || fail 75 "$1; cannot be requeued. $go_on"
    sleep 20
  done
  exit 0
}

allowed() { # allowed REASON: the rest of requeue, each time before it tries
  # Slurm may have taken this node for lost and begun anew on others.
  [ "${restarts:-$retries}" = "$retries" ] || fail 75 "$1; Slurm has requeued the job already"
  [ "$state" = RUNNING ] || fail 75 "$1; it is not requeued, because the job is ${state:-gone}. $go_on"
  [ "$retries" -lt "$MAX_RETRIES" ] || fail 75 "$1; it was requeued $retries times, no more. $go_on"
  [ -n "$said" ] || say "$1; requeued ($((retries + 1)) of at most $MAX_RETRIES times)"
  said=yes
  unstage # now, because Slurm ends this script
}

#!/bin/bash
# Brings up a real Slurm (Debian's slurm-wlm) of several virtual nodes on this one machine; safe to run again.
#   ./slurm-up.sh            then   . $SLURM_FIXTURE/env.sh; sinfo; sbatch job.sh
#   or, the same in either mode below:  $SLURM_FIXTURE/run sbatch job.sh
# Needs root and apt; no systemd, no cgroups. Everything it makes is under $SLURM_FIXTURE, and ./slurm-down.sh stops
# exactly what this started. Two modes:
#   plain        nodes n1..nN are all this machine: each slurmd listens at 127.0.0.1 on a port of its own
#   SLURM_NETNS=./netns-cluster.sh   nodes are its hosts h1..hN, each with a network and hostname of its own, so MPI
#                between nodes is between hosts; slurmctld is on h1, and Slurm's commands run through $SLURM_FIXTURE/run
# Settings (environment): SLURM_FIXTURE  folder for config, logs, state, pids (default slurm-fixture in TMPDIR)
#   SLURM_NODES  number of virtual nodes (4)     SLURM_CPUS  CPUs each node claims (16; more than the machine has is fine)
#   SLURM_PORT   slurmctld's port; node K's slurmd gets this port + K (17000)
set -euo pipefail
B=${SLURM_FIXTURE:-${TMPDIR:-/tmp}/slurm-fixture} N=${SLURM_NODES:-4} C=${SLURM_CPUS:-16} PORT=${SLURM_PORT:-17000}
[ "$(id -u)" = 0 ] || { echo "slurm-up.sh: needs root" >&2; exit 1; }
export SLURM_CONF=$B/slurm.conf
if [ -n "${SLURM_NETNS:-}" ]; then
  NETNS=$(realpath "$SLURM_NETNS") NODE=h CTL="h1(${NETNS_NET:-10.77.0}.1)"
  at() { "$NETNS" exec "$@"; }                  # at NODE CMD...
  node() { echo "NodeHostname=h$1 NodeAddr=${NETNS_NET:-10.77.0}.$1 Port=$((PORT + $1))"; }
else
  NETNS='' NODE=n CTL="$(hostname)(127.0.0.1)"
  at() { shift; "$@"; }
  node() { echo "NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((PORT + $1))"; }
fi

# libpmix-dev only for the link pmix2/lib/libpmix.so, without which srun --mpi=pmix says "can not load PMIx library"
missing=
for program in slurmctld slurmd sbatch munged ip tc strace; do command -v "$program" >/dev/null || missing=yes; done
if [ -n "$missing" ] || [ ! -e /usr/lib/x86_64-linux-gnu/pmix2/lib/libpmix.so ]; then
  log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends slurmctld slurmd slurm-client munge libpmix-dev iproute2 strace; } >"$log" 2>&1 \
    || { cat "$log" >&2; exit 1; }
  rm -f "$log"
fi

alive() { # alive PIDFILE NAME: the process in PIDFILE lives and is NAME
  [ -s "$1" ] && [ "$(cat "/proc/$(cat "$1")/comm" 2>/dev/null)" = "$2" ]
}
wait_for() { # wait_for SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "slurm-up.sh: $what did not come up; see $B/log" >&2; exit 1; }
    sleep 0.1
  done
}
[ -z "$NETNS" ] || "$NETNS" up "$N" >/dev/null
if [ -z "$NETNS" ] && ! alive "$B/pid/slurmctld" slurmctld; then
  for k in $(seq 0 "$N"); do
    if (: <"/dev/tcp/127.0.0.1/$((PORT + k))") 2>/dev/null; then
      echo "slurm-up.sh: port $((PORT + k)) is in use by another program; set SLURM_PORT" >&2; exit 1
    fi
  done
fi

mkdir -p "$B"/{log,pid,munge,state,spool,nodetmp}; chmod 755 "$B" "$B"/*/
[ -s "$B/munge/key" ] || (umask 077; head -c 1024 /dev/urandom >"$B/munge/key")

cat >"$B/slurm.conf" <<CONF
ClusterName=fixture
SlurmctldHost=$CTL
SlurmctldPort=$PORT
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$B/munge/socket
StateSaveLocation=$B/state
SlurmctldPidFile=$B/pid/slurmctld
SlurmctldLogFile=$B/log/slurmctld
SlurmdPidFile=$B/pid/slurmd-%n
SlurmdLogFile=$B/log/slurmd-%n
SlurmdSpoolDir=$B/spool/%n
MailProg=/bin/true
# no systemd and no writable cgroups are needed:
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
# several nodes that claim more CPUs than the machine has:
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# start jobs at once rather than every few seconds:
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=2
MpiDefault=none
ReturnToService=2
# finished jobs: one line each; sacct -c reads them (the rest of sacct needs slurmdbd and a database)
JobCompType=jobcomp/filetxt
JobCompLoc=$B/log/jobcomp
AccountingStorageType=accounting_storage/none
MinJobAge=3600
# after the time limit: SIGTERM, this many seconds, SIGKILL
KillWait=5
SlurmctldTimeout=30
# a lost node: the ranks notice after 30 s at the latest, and are to be first
SlurmdTimeout=60
# an answer that takes this long is an error, however busy the machine
MessageTimeout=30
NodeName=DEFAULT CPUs=$C CoresPerSocket=$C RealMemory=4000 State=UNKNOWN
$(for k in $(seq "$N"); do echo "NodeName=$NODE$k $(node "$k")"; done)
PartitionName=main Nodes=${NODE}[1-$N] Default=YES DefaultTime=10 MaxTime=1-0 State=UP
CONF
echo "CgroupPlugin=cgroup/v1" >"$B/cgroup.conf"   # named, it is not looked for under /sys (hidden in a namespace)
echo "PMIxCliTmpDirBase=$B/nodetmp" >"$B/mpi.conf"   # must differ between nodes: each slurmd gets its own there
echo "export SLURM_CONF=$B/slurm.conf" >"$B/env.sh"
printf '#!/bin/sh\nexport SLURM_CONF=%s\nexec %s "$@"\n' "$B/slurm.conf" "${NETNS:+$NETNS exec h1}" >"$B/run"
chmod +x "$B/run"

alive "$B/pid/munged" munged || {
  rm -f "$B/munge/socket"*
  munged --key-file="$B/munge/key" --socket="$B/munge/socket" --pid-file="$B/pid/munged" \
         --log-file="$B/log/munged" --seed-file="$B/munge/seed"
}
wait_for 120 munged test -S "$B/munge/socket"
if alive "$B/pid/slurmctld" slurmctld; then "$B/run" scontrol reconfigure
else at h1 slurmctld -f "$B/slurm.conf"; fi
for k in $(seq "$N"); do
  alive "$B/pid/slurmd-$NODE$k" slurmd || {
    mkdir -p "$B/spool/$NODE$k" "$B/spool/$NODE$k-tmp"
    # shellcheck disable=SC2016  # for the inner sh
    at "h$k" unshare --mount sh -c 'mount --bind "$1/spool/$2-tmp" "$1/nodetmp" &&
      exec slurmd -f "$1/slurm.conf" -N "$2"' - "$B" "$NODE$k" || { echo "slurm-up.sh: slurmd of $NODE$k failed; see $B/log" >&2; exit 1; }
  }
done
# shellcheck disable=SC2016  # for the inner sh
wait_for 120 slurmctld sh -c '"$0" scontrol ping | grep -q UP' "$B/run"
all_up() { [ "$("$B/run" sinfo -h -r -t idle,alloc,mix -o %D | awk '{s+=$1} END {print s+0}')" = "$N" ]; }
wait_for 300 "the $N nodes" all_up
[ -n "$NETNS" ] && echo "Slurm is up:  $B/run sinfo" || echo "Slurm is up:  . $B/env.sh"
"$B/run" sinfo -N

#!/bin/bash
# Stops what slurm-up.sh started: cancels the jobs, then ends slurmd, slurmctld and munged by their recorded pids.
# The hosts of netns-cluster.sh stay: `netns-cluster.sh down` removes them. Leaves $SLURM_FIXTURE in place (logs, job records; slurm-up.sh goes on from its state); --purge removes it.
set -uo pipefail
B=${SLURM_FIXTURE:-${TMPDIR:-/tmp}/slurm-fixture}
[ -d "$B/pid" ] || { echo "slurm-down.sh: nothing at $B"; exit 0; }
export SLURM_CONF=$B/slurm.conf
mine() { # mine PIDFILE NAME: the pid, if that process lives and is NAME
  local pid; pid=$(cat "$1" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
}
stop() { # stop NAME PIDFILE...: ends them all together, the stubborn ones with SIGKILL after 15 s
  local name=$1 f pid pids=""; shift
  for f; do pid=$(mine "$f" "$name") && { pids+=" $pid"; kill "$pid"; }; done
  for _ in $(seq 150); do
    local left=""; for pid in $pids; do [ -d "/proc/$pid" ] && left+=" $pid"; done
    [ -z "$left" ] && break; sleep 0.1
  done
  # shellcheck disable=SC2086  # pids
  [ -z "${left:-}" ] || kill -9 $left
  rm -f "$@"
}
if mine "$B/pid/slurmctld" slurmctld >/dev/null && timeout 5 "$B/run" scontrol ping | grep -q UP; then
  timeout 10 "$B/run" squeue -h -o %A | sort -u | xargs -r timeout 10 "$B/run" scancel
  for _ in $(seq 100); do [ -z "$(timeout 5 "$B/run" squeue -h)" ] && break; sleep 0.2; done
fi
stop slurmd "$B"/pid/slurmd-*
for pid in $(pgrep -x slurmstepd); do # of a node that was lost it stays for minutes
  case $(readlink "/proc/$pid/cwd") in "$B"/*) kill -9 "$pid" ;; esac
done
stop slurmctld "$B/pid/slurmctld"
stop munged "$B/pid/munged"
[ "${1:-}" != --purge ] || rm -rf "$B"
echo "Slurm is down"

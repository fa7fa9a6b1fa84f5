#!/bin/bash
# "Hosts" for multi-host MPI tests on one machine: network namespaces h1..hN joined by a bridge in a namespace of its own.
# Nothing is added to the machine's own network. Each command run in a host also has that host's name (UTS) and /etc/hosts.
#   netns-cluster.sh up [N]           make N hosts (2): h1 has address 10.77.0.1, h2 10.77.0.2, ...; safe to run again
#   netns-cluster.sh down             remove them; refuses if processes go on running there (they are listed)
#   netns-cluster.sh exec hK CMD...   run CMD on host hK
#   netns-cluster.sh ssh [-opt] hK CMD...  the same with ssh's manner, for mpiexec (see below)
#   netns-cluster.sh cut hK | restore hK take hK's link down / up again
#   netns-cluster.sh rate hK 10mbit | rate hK off   limit what hK sends and receives
#   netns-cluster.sh bytes            bytes sent and received by each host's link
# MPICH:    netns-cluster.sh exec h1 mpiexec -launcher ssh -launcher-exec $PWD/netns-ssh -hosts h1,h2 -ppn 2 -n 4 CMD
# Open MPI: netns-cluster.sh exec h1 mpiexec --prtemca plm_ssh_agent $PWD/netns-ssh --host h1:2,h2:2 -n 4 CMD
# (netns-ssh is a link to this script: called by that name it acts as `ssh`)
# Needs root and iproute2. NETNS_PREFIX names the namespaces (mpi-), NETNS_NET the first three numbers (10.77.0).
set -euo pipefail
P=${NETNS_PREFIX:-mpi-} NET=${NETNS_NET:-10.77.0} SW=${NETNS_PREFIX:-mpi-}switch
hosts() { ip netns list | awk '{print $1}' | sed -n "s/^$P\(h[0-9]\+\)\$/\1/p" | sort -V; }
need() { [ -e "/run/netns/$P$1" ] || { echo "netns-cluster: no host $1" >&2; exit 255; }; }
reached() { # reached HOST ADDRESS: a connection from there would be refused, not fail to find its way
  local said
  said=$(LC_ALL=C timeout 2 ip netns exec "$P$1" bash -c ": </dev/tcp/$2/9" 2>&1) || true
  [[ $said == *refused* ]]
}
settle() { # settle HOST: waits until it reaches all others; a link takes a moment, and so does the memory of its cut
  local h end=$((SECONDS + 60))
  for h in $(hosts); do
    until [ "$h" = "$1" ] || { reached "$1" "$NET.${h#h}" && reached "$h" "$NET.${1#h}"; }; do
      [ $SECONDS -lt $end ] || { echo "netns-cluster: $1 does not reach $h" >&2; exit 1; }
      sleep 0.1
    done
  done
}
run() { # run HOST CMD...
  local h=$1; shift; need "$h"
  # shellcheck disable=SC2016  # for the inner sh
  exec ip netns exec "$P$h" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$h" "$@"
}
case "$(basename "$0")" in netns-ssh) set -- ssh "$@";; esac
cmd=${1:-help}; shift || true
case $cmd in
up)
  n=${1:-2}
  [ -e "/run/netns/$SW" ] || ip netns add "$SW"
  ip -n "$SW" link show br0 >/dev/null 2>&1 || ip -n "$SW" link add br0 type bridge
  ip -n "$SW" link set br0 up
  for k in $(seq "$n"); do
    ns=${P}h$k
    [ -e "/run/netns/$ns" ] || ip netns add "$ns"
    ip -n "$ns" link show eth0 >/dev/null 2>&1 || {
      ip link add eth0 netns "$ns" type veth peer name "h$k" netns "$SW"
      ip -n "$ns" addr add "$NET.$k/24" dev eth0
    }
    ip -n "$SW" link set "h$k" master br0 up
    ip -n "$ns" link set lo up; ip -n "$ns" link set eth0 up
    mkdir -p "/etc/netns/$ns"   # 'ip netns exec' puts these over /etc/hosts and /etc/hostname
    { echo "127.0.0.1 localhost"; for j in $(seq "$n"); do echo "$NET.$j h$j"; done; } >"/etc/netns/$ns/hosts"
    echo "h$k" >"/etc/netns/$ns/hostname"
  done
  for h in $(hosts); do settle "$h"; done
  echo "up: $(hosts | tr '\n' ' ')";;
down)
  for h in $(hosts); do
    end=$((SECONDS + 60))  # what has been told to end may take a moment
    while pids=$(ip netns pids "$P$h"); [ -n "$pids" ] && [ $SECONDS -lt $end ]; do sleep 0.2; done
    [ -z "$pids" ] || { echo "netns-cluster: still running on $h:" >&2; ps -o pid,args -p "$(tr '\n' , <<<"$pids" | sed 's/,$//')" >&2; exit 1; }
  done
  for h in $(hosts); do ip netns del "$P$h"; rm -rf "/etc/netns/$P$h"; done
  [ ! -e "/run/netns/$SW" ] || ip netns del "$SW"
  rmdir /etc/netns 2>/dev/null || true
  echo down;;
exec) run "$@";;
ssh)
  while [ $# -gt 0 ] && [ "${1#-}" != "$1" ]; do shift; done
  h=$1; shift
  # The command is not below this process, as it would not be on another machine: no host ends another one's processes.
  exec 4>&1
  rc=$(setsid -f bash -c '(exec "$@" >&4 3>&- 4>&-); echo $? >&3' sh "$(realpath "$0")" exec "$h" sh -c "$*" 3>&1)
  [ "${rc:-255}" -lt 128 ] || rc=255   # as ssh does when the host dies
  exit "$rc";;
cut)  need "$1"; ip -n "$SW" link set "$1" down;;
restore) need "$1"; ip -n "$SW" link set "$1" up; settle "$1";;
rate)
  need "$1"
  for where in "$P$1 eth0" "$SW $1"; do
    # shellcheck disable=SC2086  # two words
    set -- "$1" "$2" $where
    if [ "$2" = off ]; then ip netns exec "$3" tc qdisc del dev "$4" root 2>/dev/null || true
    else ip netns exec "$3" tc qdisc replace dev "$4" root tbf rate "$2" burst 32k latency 400ms; fi
  done;;
bytes)
  for h in $(hosts); do
    # shellcheck disable=SC2016  # for the inner sh
    ip netns exec "$P$h" sh -c 'echo "$0 sent $(cat /sys/class/net/eth0/statistics/tx_bytes) received $(cat /sys/class/net/eth0/statistics/rx_bytes)"' "$h"
  done;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2;;
esac

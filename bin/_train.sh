#!/bin/bash
# _train.sh CONFIGURATION [ARGUMENT...]: runs mpi_pgpe.train under mpiexec with a named configuration, which may be
# followed by settings: "walker2d seed=3".
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"
read -ra configuration <<<"$1"
shift
case "${1:-}" in -h | --help | help)
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$(dirname "${BASH_SOURCE[0]}")/train_${configuration[0]}.sh"
  exit
  ;;
esac
install all
# The configuration goes right after sacred's `with`, before the user's own settings.
arguments=() found=
for argument; do
  arguments+=("$argument")
  if [ "$argument" = with ] && [ -z "$found" ]; then
    arguments+=("${configuration[@]}")
    found=yes
  fi
done
[ -n "$found" ] || arguments+=(with "${configuration[@]}")
n=$(ranks)
exec mpiexec -n "$n" "$PY" -m mpi_pgpe.train "${arguments[@]}"

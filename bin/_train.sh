#!/bin/bash
# _train.sh CONFIGURATION [ARGUMENT...]: runs mpi_pgpe.train under mpiexec with a named configuration.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"
configuration=$1
shift
install all
# The configuration goes right after sacred's `with`, before the user's own settings.
arguments=() found=
for argument; do
  arguments+=("$argument")
  if [ "$argument" = with ] && [ -z "$found" ]; then
    arguments+=("$configuration")
    found=yes
  fi
done
[ -n "$found" ] || arguments+=(with "$configuration")
exec mpiexec -n "$(ranks)" "$PY" -m mpi_pgpe.train "${arguments[@]}"

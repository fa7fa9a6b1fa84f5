"""Episodes played in a process of their own, whose heap is another one: see numbered_episodes.py.

What a simulator reads of memory that it never wrote, sorts by address, or takes from a generator that the operating
system seeded, comes out otherwise there.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mpi_pgpe.cli.numbered_episodes import Cast, Order, Outcome, Stage

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from mpi_pgpe.cli.other_process import main; main(sys.argv[1])"
_OF_A_LAUNCHER = ("PMI_", "PMIX_", "PMI", "OMPI_", "MPI_LOCAL")


@dataclass(frozen=True)
class Heap:
    """How a process's memory differs.

    Attributes:
        ballast: MB that are allocated, in pieces of many sizes, every second of which is freed again.
        variables: of the environment; those of glibc's malloc, and PYTHONHASHSEED.
    """

    ballast: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


PLAIN = Heap(variables={"PYTHONHASHSEED": "0"})
HOLES = Heap(60, {"PYTHONHASHSEED": "1", "MALLOC_ARENA_MAX": "1"})
MAPPED = Heap(5, {"PYTHONHASHSEED": "2", "MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TOP_PAD_": "1048576"})
FILLED = Heap(20, {"PYTHONHASHSEED": "3", "MALLOC_PERTURB_": "85"})  # memory is filled when allocated and when freed


class OtherProcessFailed(RuntimeError):
    """The process ended without a result; the message is the end of what it said."""


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        plays: the outcomes of each order, by the episodes' numbers.
        origin: the environment's library and simulator, with their versions.
    """

    plays: list[dict[int, Outcome]]
    origin: dict[str, str]


def play_all(cast: Cast, orders: Sequence[Order], heap: Heap, reuse: bool = True) -> Result:
    """Play orders of episodes, one after the other, in a process of their own.

    Raises:
        OtherProcessFailed: it failed; the message is what it said.
    """
    # The process is none of the launcher's ranks: an MPI library in it must not believe that it is.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_LAUNCHER)}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder, "work")
        work.write_bytes(pickle.dumps((cast, orders, heap, reuse)))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(work), *sys.path],
            env=environ | dict(heap.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise OtherProcessFailed(f"exit code {done.returncode} of a process that played episodes of it: {said}")
        result: Result = pickle.loads(work.read_bytes())
    return result


def play_elsewhere(cast: Cast, order: Order, reuse: bool = True) -> dict[int, Outcome]:
    """Play one order in a process with another heap."""
    return play_all(cast, [order], FILLED, reuse).plays[0]


def main(path: str) -> None:
    """The other process: play what the file holds, and put the result in its place."""
    work = Path(path)
    cast, orders, heap, reuse = pickle.loads(work.read_bytes())
    kept = [bytearray(1 + size * 37 % 4093) for size in range(heap.ballast * 2**20 // 2048)]
    del kept[::2]
    stage = Stage(cast)
    plays = [stage.play(order, reuse) for order in orders]
    work.write_bytes(pickle.dumps(Result(plays, stage.origin)))

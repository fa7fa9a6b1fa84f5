"""Generations on many ranks with directions that sleep instead of computing, against ideal list scheduling.

    mpiexec -n 8 python benchmarks/ranks.py

The ideal hands the same directions out in the same order, each to the rank that is free first, and costs nothing.
An adaptive generation goes on over several rounds until it has enough interactions; the ideal does so, too. More
ranks than cores are fine: a sleeping direction needs none.
"""

from __future__ import annotations

import heapq
import statistics
import time

import common
import numpy as np

from mpi_pgpe.farm import Farm
from mpi_pgpe.schedule import COLUMNS, Rounds
from mpi_pgpe.tasks import Abandoned, Poll
from mpi_pgpe.tools import at_least

# Seconds of sleep between two looks at the messages, as an environment's steps would be. Longer ones on the other
# ranks, which look for the end of the generation alone, or looking would fill the cores that many ranks share here.
_SLICE, _SLICE_OF_OTHERS = 2e-3, 2e-2


def durations(generation: int, count: int) -> np.ndarray:
    """Seconds of each direction: a heavy tail from 0.05 to 2."""
    uniform = np.random.default_rng([7, generation]).uniform(size=count)
    return np.minimum(2.0, 0.05 * uniform ** (-1 / 1.2))


def result(seconds: float) -> np.ndarray:
    """The result of a direction: one interaction a millisecond."""
    found = np.zeros(COLUMNS)
    found[1] = np.ceil(1000 * seconds)
    return found


def rounds(size: int, adaptive: bool) -> Rounds:
    """The tasks of a generation; an adaptive one needs two and a half rounds or so."""
    return Rounds(size, 8, int(2.5 * size * 200)) if adaptive else Rounds(size)


def ideal(seconds: np.ndarray, ranks: int, size: int, adaptive: bool) -> float:
    """Seconds of a generation under list scheduling without any overhead."""
    tasks = rounds(size, adaptive)
    running: list[tuple[float, int]] = []
    now = 0.0
    for _ in range(ranks):
        task = tasks.next()
        if task is not None:
            heapq.heappush(running, (seconds[task], task))
    while not tasks.complete:
        now, done = heapq.heappop(running)
        tasks.record(done, result(seconds[done]), 0)
        task = tasks.next()
        if task is not None:
            heapq.heappush(running, (now + seconds[task], task))
    return now


def measure(farm: Farm, generation: int, size: int, adaptive: bool) -> float:
    """All ranks: run a generation; returns its seconds of wall time."""
    seconds = durations(generation, 8 * size)
    longest_nap = _SLICE if farm.rank == 0 else _SLICE_OF_OTHERS

    def run(task: int, poll: Poll | None) -> np.ndarray:
        end = time.monotonic() + seconds[task]
        while (left := end - time.monotonic()) > 0:
            if poll is not None:
                poll()
            time.sleep(min(left, longest_nap))
        return result(seconds[task])

    began = time.perf_counter()
    try:
        if farm.rank == 0:
            farm.hand_out(rounds(size, adaptive), run)
        else:
            farm.take(run)
    except Abandoned:
        pass
    return time.perf_counter() - began


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "--directions", metavar="N", type=at_least(1), default=20, help="directions of a round for each rank"
    )
    args = parser.parse_args()
    farm = Farm()
    size = args.directions * farm.size
    rows = []
    for adaptive in (False, True):
        taken, least = [], []
        for generation in range(args.repeats):
            farm.maximum(np.zeros(1))  # begin together
            taken.append(measure(farm, generation, size, adaptive))
            least.append(ideal(durations(generation, 8 * size), farm.size, size, adaptive))
        rows.append(
            {
                "ranks": farm.size,
                "population": "adaptive" if adaptive else "fixed",
                "directions a round": size,
                "generation, s": statistics.median(taken),
                "ideal, s": statistics.median(least),
                "ratio (median)": common.median_ratio(taken, least),
            }
        )
    if farm.rank == 0:
        common.report("Generations on sleeping ranks against ideal list scheduling", rows, args.json)
    farm.maximum(np.zeros(1))


if __name__ == "__main__":
    main()

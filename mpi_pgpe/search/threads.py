"""Work on many directions shared among threads, for searches that no ranks share the work of.

numpy draws and adds without the interpreter's lock, so threads do it at once. Sums of directions are exact, and each
solution is a row of its own: the number of threads changes no bit.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.search.noise import weighted_sums

LEAST_ELEMENTS = 2**18
"""Elements of noise for each thread; with fewer, starting it costs more than it brings."""

Result = TypeVar("Result")


def count_threads() -> int:
    """As many as OMP_NUM_THREADS says, which ranks set to 1, or else as this process has cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(cores, max(1, int(wanted))) if wanted.isdecimal() else cores


def share(work: Callable[[slice], Result], directions: int, size: int) -> list[Result]:
    """What `work` returns for slices that make up all directions, of `size` elements each, in their order.

    Each slice is worked on in a thread of its own.
    """
    threads = min(count_threads(), max(1, directions * size // LEAST_ELEMENTS), max(1, directions))
    bounds = [directions * thread // threads for thread in range(threads + 1)]
    slices = [slice(first, last) for first, last in itertools.pairwise(bounds)]
    if threads == 1:
        return [work(slices[0])]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, slices))


def shared_sums(size: int, seeds: NDArray[np.uint64], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """`noise.weighted_sums`, with the same arguments and result."""
    parts = share(lambda part: weighted_sums(size, seeds[part], a[part], b[part]), len(seeds), size)
    return np.add.reduce(parts)

"""How a task is run, and what may break it off or come out of it instead of a result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.fault_tolerance import RanksLost

Poll = Callable[[], None]
Run = Callable[[int, Poll | None], NDArray[np.float64]]
"""Runs a task, calling Poll now and then; returns its result, shape (rounds.COLUMNS,)."""


class Abandoned(Exception):
    """Raised by Poll inside a task whose result is no longer needed."""


class GivenUp(Exception):
    """Rank 0 gave up what it had the ranks do, because `Farm.should_give_up` said so."""


class TaskFailed(Exception):
    """A task failed; the message tells a person what, where and with which seed."""


class RankHangs(TaskFailed):
    """A rank does not return from a task, needed or not, and will not hear anything any more."""


BREAKS = (Abandoned, GivenUp, TaskFailed, RanksLost)
"""What Poll may raise inside a task."""

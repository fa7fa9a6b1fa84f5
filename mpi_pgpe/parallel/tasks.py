"""How a task is run, and what may break it off or come out of it instead of a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.parallel.fault_tolerance import RanksLost

Poll = Callable[[], None]


class Result(NamedTuple):
    """What comes of a task, a pair of evaluations or so many more; of a single one the second numbers are 0."""

    fitness: tuple[float, ...]
    interactions: tuple[int, ...]


def result_type(evaluations: int) -> np.dtype[np.void]:
    """A Result of so many evaluations in an array."""
    return np.dtype([("fitness", np.float64, evaluations), ("interactions", np.int64, evaluations)])


Run = Callable[[int, Poll | None], Result]
"""Runs a task, calling Poll now and then."""


class Abandoned(Exception):
    """Raised by Poll inside a task whose result is no longer needed."""


class GivenUp(Exception):
    """Rank 0 gave up what it had the ranks do, because `Farm.should_give_up` said so."""


class TaskFailed(UserError):
    """A task failed; the message tells a person what, where and with which seed, and has the traceback."""

    one_line = False


class RankHangs(TaskFailed):
    """A rank does not return from a task, needed or not, and will not hear anything any more."""


BREAKS = (Abandoned, GivenUp, TaskFailed, RanksLost)
"""What Poll may raise inside a task."""

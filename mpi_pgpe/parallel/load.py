"""How busy the ranks are: how long tasks take, and where the time of a hand-out went."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


class RecentMean:
    """The mean of the last hundred values or so; NaN before the first."""

    def __init__(self) -> None:
        self.value = np.nan
        self._count = 0

    def add(self, value: float) -> None:
        """Add a value."""
        self._count = min(self._count + 1, 100)
        self.value = value if self._count == 1 else self.value + (value - self.value) / self._count


def should_hold_two(left: float, task: float, answer: float) -> bool:
    """Whether a rank gets its next task beside the present one.

    It then never waits for an answer; but that task lies unstarted, perhaps behind a long one, while other ranks take
    later ones or find none. So it is worth while as long as the answers that a rank would wait for take longer
    than the task that may come too late.

    Args:
        left: tasks to be handed out, for each rank.
        task: seconds that one takes; NaN: not known yet.
        answer: seconds until rank 0 answers; likewise.
    """
    return left > 1 and left * answer > task


@dataclass
class Usage:
    """How the ranks that run tasks spent a hand-out: seconds, summed over those ranks.

    Attributes:
        total: from its beginning to its end.
        idle: without a task.
        seconds: in each task that was completed; the rest went into tasks that were abandoned.
    """

    total: float = 0.0
    idle: float = 0.0
    seconds: dict[int, float] = field(default_factory=dict)

    def idle_fraction(self) -> float:
        """Share of the time without a task."""
        return self.idle / self.total

    def dropped_fraction(self, needed: int) -> float:
        """Share of the time in tasks that were broken off, or were not among the first `needed`."""
        useful = sum(seconds for task, seconds in self.seconds.items() if task < needed)
        return max(0.0, 1 - (self.idle + useful) / self.total)


class Load:
    """What rank 0 knows of how long things take, over all hand-outs.

    Attributes:
        usage: of all hand-outs since it was last set anew.
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self._task, self._answer = RecentMean(), RecentMean()  # seconds

    def ran(self, task: int, seconds: float) -> None:
        """Add the seconds that a task took."""
        self.usage.seconds[task] = seconds
        self._task.add(seconds)

    def looked(self, seconds: float) -> None:
        """Add the seconds between two looks of rank 0 at its messages: the longest that a rank waited for an answer."""
        self._answer.add(seconds)

    def should_hold_two(self, left: float) -> bool:
        """Whether a rank gets its next task beside the present one, with `left` tasks to hand out for each rank."""
        return should_hold_two(left, self._task.value, self._answer.value)

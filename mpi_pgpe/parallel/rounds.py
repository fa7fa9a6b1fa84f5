"""Which tasks a generation consists of, and which may be handed out now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.tasks import Result, result_type


class Rounds:
    """Tasks 0, 1, 2, ... in rounds of `size`; how many rounds are needed shows as results come in.

    Round after round belongs to the generation until their interactions reach `num_interactions` or
    `max_rounds` are complete. Tasks of the following round are handed out before a round is complete,
    so that nobody waits; those that turn out not to be needed are dropped. Which tasks belong depends
    on the results alone, never on the order in which they come. `on_record` is called after each result.

    `owners[task]` is the rank that a result came from, -1 while there is none; `remarks[task]` are
    the messages of its failed episodes, where those do not fail the task. A result has so many `evaluations`.
    """

    def __init__(
        self,
        size: int,
        max_rounds: int = 1,
        num_interactions: int | None = None,
        on_record: Callable[[Rounds], None] | None = None,
        evaluations: int = 2,
    ) -> None:
        self.size = size
        self.evaluations = evaluations
        unknown = Result((np.nan,) * evaluations, (0,) * evaluations)
        self._unknown = np.array(unknown, result_type(evaluations))
        self._on_record = on_record
        self._target = num_interactions
        self._limit = 1 if num_interactions is None else max_rounds  # no more rounds than these
        self._next = 0
        self._given_back: deque[int] = deque()
        self.remarks: dict[int, list[str]] = {}
        self.owners = np.full(size, -1, np.int32)
        self._results = np.full(size, self._unknown)
        self._fitness, self._steps = self._results["fitness"], self._results["interactions"]  # views
        self._failures: dict[int, str] = {}
        self._interactions: list[int] = [0]  # of each round, as far as known
        self._missing: list[int] = [size]  # results of each round yet to come

    @property
    def rounds(self) -> int:
        """Rounds that belong to the generation, as far as known (exact once it is complete)."""
        return self._limit

    @property
    def done(self) -> int:
        """Results that have come, of tasks that may belong to the generation."""
        return int((self.owners[: self._limit * self.size] >= 0).sum())

    @property
    def available(self) -> int:
        """Tasks that could be handed out now."""
        return max(0, self._limit * self.size - self._next) + len(self._given_back)

    @property
    def complete(self) -> bool:
        """Whether all the results are there that the generation needs."""
        known = len(self._missing)
        return self._limit <= known and not any(self._missing[: self._limit])

    @property
    def failure(self) -> str | None:
        """The message of the first failed task that is known to belong, or None."""
        return next((message for task, message in sorted(self._failures.items()) if self.belongs(task)), None)

    def belongs(self, task: int) -> bool:
        """Whether a task is known to belong: the rounds before its own are complete and did not suffice."""
        number = task // self.size
        return number < self._limit and number <= len(self._missing) and not any(self._missing[:number])

    def fail(self, task: int, message: str) -> None:
        """Record that a task failed; the failure counts only if the task belongs to the generation."""
        self._failures[task] = message

    def next(self) -> int | None:
        """The next task to hand out, or None when there is none."""
        if self._given_back:
            return self._given_back.popleft()
        if self.available <= 0:
            return None
        self._next += 1
        return self._next - 1

    def record(self, task: int, result: Result, owner: int = 0) -> None:
        """Record the result of a task from the rank `owner`; a second result of the same task is ignored."""
        number = task // self.size
        while number >= len(self._missing):
            self._missing.append(self.size)
            self._interactions.append(0)
            self._results = np.concatenate([self._results, np.full(self.size, self._unknown)])
            self._fitness, self._steps = self._results["fitness"], self._results["interactions"]
            self.owners = np.concatenate([self.owners, np.full(self.size, -1, np.int32)])
        if self.owners[task] >= 0:
            return
        self.owners[task] = owner
        if self.evaluations == 2:  # number by number, which takes a third of the time of an assignment of several
            self._fitness[task, 0], self._fitness[task, 1] = result.fitness
            self._steps[task, 0], self._steps[task, 1] = result.interactions
        else:
            self._fitness[task], self._steps[task] = result
        self._missing[number] -= 1
        self._interactions[number] += sum(result.interactions)
        if self._target is not None and number < self._limit:
            # Interactions only grow: once the known ones suffice, no later round can be needed.
            enough = np.flatnonzero(np.cumsum(self._interactions[: self._limit]) >= self._target)
            if len(enough):
                self._limit = int(enough[0]) + 1
        if self._on_record is not None:
            self._on_record(self)

    def lose(self, alive: Collection[int] | None = None) -> None:
        """After a loss of ranks: hand out again the tasks that have no result.

        With `alive`, also those whose result came from a rank that is not among them: what else it
        kept of the task is gone. A task run again brings the same numbers, so `rounds` stays right.
        """
        if alive is not None:
            for task in np.flatnonzero((self.owners >= 0) & ~np.isin(self.owners, list(alive))):
                self.owners[task] = -1
                self._missing[task // self.size] += 1
                self._interactions[task // self.size] -= int(self._steps[task].sum())
        end = min(self._next, self._limit * self.size)
        owners = np.append(self.owners[:end], np.full(max(0, end - len(self.owners)), -1, np.int32))
        self._given_back = deque(np.flatnonzero(owners < 0).tolist())

    def failed_episodes(self) -> list[str]:
        """Messages of failed episodes in the tasks that are known to belong, in their order."""
        known = (task for task in sorted(self.remarks) if self.belongs(task))
        return [message for task in known for message in self.remarks[task]]

    def results(self) -> NDArray[np.void]:
        """The results of the tasks that belong, shape (rounds * size,), in their order."""
        if not self.complete:
            raise RuntimeError("results are asked for before they are complete")
        return self._results[: self._limit * self.size]

"""Rank 0 during a hand-out of tasks."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from mpi_pgpe.parallel.clock import COMMUNICATION
from mpi_pgpe.parallel.episode_timeout import SECONDS_TO_RETURN, Nudge
from mpi_pgpe.parallel.load import holds_two
from mpi_pgpe.parallel.messages import BEGIN, END, FAILURE, REMARKS, RESULT, TASK
from mpi_pgpe.parallel.rounds import COLUMNS, Rounds
from mpi_pgpe.parallel.tasks import Abandoned, GivenUp, RankHangs, Run, TaskFailed

if TYPE_CHECKING:
    from mpi_pgpe.parallel.farm import Farm


class Dispatcher:
    """Rank 0 during one hand-out: who has what, and who has been without work for how long."""

    def __init__(self, farm: Farm, tasks: Rounds) -> None:
        self._farm, self._comm, self._tasks = farm, farm._comm, tasks
        self._status = farm._mpi.Status()
        self._held = [0] * farm.size  # tasks that each rank has
        self._began = time.monotonic()
        self._seen = [self._began] * farm.size  # when each rank sent its last result
        self._looked = self._began  # when rank 0 looked at the messages
        self._busy = 0.0  # seconds of rank 0 in tasks
        self._running: dict[int, tuple[str, float]] = {}  # what ranks said that they began, and when
        self._nudge = Nudge(self._look_for_failures)

    def give(self, run: Run) -> None:
        """Until all the results are there that are needed."""
        with self._nudge if self._farm.root_evaluates and self._farm.size > 1 else nullcontext():
            self._give(run)

    def _give(self, run: Run) -> None:
        farm, tasks = self._farm, self._tasks
        for rank in range(1, farm.size):
            self._supply(rank)
        while not tasks.complete:
            task = tasks.next() if farm.root_evaluates else None
            if task is not None:
                self._run(run, task)
            elif not farm._arrived():
                farm._nap()
            self._look_around()
            if tasks.failure:
                raise TaskFailed(tasks.failure)

    def _run(self, run: Run, task: int) -> None:
        farm, tasks = self._farm, self._tasks
        began = time.monotonic()
        farm.remarks = []
        self._nudge.since = began
        try:
            result = run(task, self._poll)
        except Abandoned:
            return
        except RankHangs:
            raise
        except TaskFailed as failure:
            tasks.fail(task, str(failure))
            return
        finally:
            self._nudge.since = math.inf
            seconds = time.monotonic() - began
            self._busy += seconds
        self._account(task, seconds)
        if farm.remarks:
            tasks.remarks[task] = farm.remarks
        tasks.record(task, result, 0)
        farm._rested()

    def _poll(self) -> None:
        if self._farm.size == 1:  # no other rank can have brought anything
            self._look_around()
            return
        self._nudge.since = math.inf
        with self._farm.clock.during(COMMUNICATION), self._farm._noticing_deaths():
            self._look_around()
        if self._tasks.complete or self._tasks.failure:
            raise Abandoned
        self._nudge.since = time.monotonic()

    def _look_for_failures(self) -> None:
        """In the middle of a long step of rank 0; only what ends the run may break it off."""
        try:
            while self._farm._arrived(tag=FAILURE, status=self._status):
                self._hear_of_failure(self._status.Get_source())
        except self._farm._mpi.Exception:  # a rank is lost, which is for the next poll
            return
        if self._tasks.failure:
            raise TaskFailed(self._tasks.failure)

    def _hear_of_failure(self, source: int) -> None:
        handout, task, failure = self._comm.recv(source=source, tag=FAILURE)
        self._running.pop(source, None)
        if handout == self._farm.handouts:
            self._tasks.fail(task, failure)  # the rank gets no more: nothing after this task can be needed

    def _look_around(self) -> None:
        if self._farm.should_give_up():
            raise GivenUp
        if self._farm.size > 1:
            self._answer()

    def _supply(self, rank: int) -> None:
        farm = self._farm
        two = holds_two(self._tasks.available / farm.size, farm._task.value, farm._between_looks.value)
        while self._held[rank] < 1 + two:
            task = self._tasks.next()
            if task is None:
                break
            self._held[rank] += 1
            self._comm.Send(np.array([task, self._tasks.belongs(task)], np.int64), rank, TASK)

    def _account(self, task: int, seconds: float) -> None:
        self._farm.usage.seconds[task] = seconds
        self._farm._task.add(seconds)

    def _answer(self) -> None:
        farm, comm, tasks, status = self._farm, self._comm, self._tasks, self._status
        before, self._looked = self._looked, time.monotonic()
        farm._between_looks.add(self._looked - before)
        while farm._arrived(status=status):
            source, tag = status.Get_source(), status.Get_tag()
            if tag == FAILURE:
                self._hear_of_failure(source)
            elif tag == BEGIN:
                self._running[source] = comm.recv(source=source, tag=tag), time.monotonic()
            elif tag == REMARKS:
                handout, task, remarks = comm.recv(source=source, tag=tag)
                if handout == farm.handouts:
                    tasks.remarks[task] = remarks
            else:
                message = np.empty(4 + COLUMNS)
                comm.Recv(message, source, RESULT)
                self._running.pop(source, None)
                if message[0] == farm.handouts:
                    task = int(message[1])
                    self._held[source] -= 1
                    self._seen[source] = time.monotonic()
                    farm.usage.idle += message[2]
                    self._account(task, float(message[3]))
                    tasks.record(task, message[4:], farm.members[source])
                    self._supply(source)
        if farm.episode_limit is not None:
            self._look_for_the_stuck(farm.episode_limit + SECONDS_TO_RETURN / 2)

    def _look_for_the_stuck(self, limit: float) -> None:
        """Speak up for a rank that hangs in native code, before its watchdog ends it, and the job with it."""
        for rank, (what, since) in self._running.items():
            if self._held[rank] and time.monotonic() - since > limit and not self._farm.fault_tolerant:
                raise RankHangs(
                    f"{what}: took longer than episode_timeout={self._farm.episode_limit:g} seconds and is stuck "
                    f"in native code, where it cannot be stopped; rank {self._farm.members[rank]} is given up"
                )

    def end(self) -> None:
        """Tell the others that there is no more, and settle the account of time."""
        farm, now = self._farm, time.monotonic()
        if farm._comm is not self._comm:  # a rank was lost: the others know, and are elsewhere
            return
        evaluating = range(0 if farm.root_evaluates else 1, farm.size)
        farm.usage.total += len(evaluating) * (now - self._began)
        if farm.root_evaluates:
            farm.usage.idle += now - self._began - self._busy
        for rank in range(1, farm.size):
            if not self._held[rank]:
                farm.usage.idle += now - self._seen[rank]
            self._comm.Send(np.array([END, True], np.int64), rank, TASK)

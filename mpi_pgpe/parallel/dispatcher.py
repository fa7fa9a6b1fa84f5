"""Rank 0 during a hand-out of tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext

from mpi_pgpe.parallel.clock import COMMUNICATION
from mpi_pgpe.parallel.episode_timeout import SECONDS_TO_RETURN, Nudge
from mpi_pgpe.parallel.load import Load
from mpi_pgpe.parallel.messages import BEGIN, DONE, END, FAILURE, REMARKS, TASK, TASK_LAYOUT, done_layout
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Abandoned, GivenUp, RankHangs, Result, Run, TaskFailed
from mpi_pgpe.parallel.world import World


class Dispatcher:
    """Rank 0 during one hand-out: who has what, and who has been without work for how long."""

    def __init__(
        self,
        world: World,
        tasks: Rounds,
        load: Load,
        number: int,
        *,
        root_evaluates: bool,
        should_give_up: Callable[[], bool],
        episode_limit: float | None,
        remarks: list[str],
    ) -> None:
        self._world, self._comm, self._tasks, self._load = world, world.comm, tasks, load
        self._number = number  # of the hand-out
        self._root_evaluates = root_evaluates
        self._should_give_up = should_give_up
        self._episode_limit = episode_limit
        self._remarks = remarks
        self._status = world.mpi.Status()
        self._held = [0] * world.size  # tasks that each rank has
        self._began = time.monotonic()
        self._seen = [self._began] * world.size  # when each rank sent its last result
        self._looked = self._began  # when rank 0 looked at the messages
        self._busy = 0.0  # seconds of rank 0 in tasks
        self._running: dict[int, tuple[str, float]] = {}  # what ranks said that they began, and when
        self._layout, self._fitnesses = done_layout(tasks.evaluations), slice(4, 4 + tasks.evaluations)
        self._done = bytearray(self._layout.size)
        self._nudge = Nudge(self._look_for_failures)

    def give(self, run: Run) -> None:
        """Hand out tasks until all the results that are needed have come; see `Farm.hand_out`."""
        with self._nudge if self._root_evaluates and self._world.size > 1 else nullcontext():
            self._give(run)

    def _give(self, run: Run) -> None:
        world, tasks = self._world, self._tasks
        for rank in range(1, world.size):
            self._supply(rank)
        while not tasks.complete:
            task = tasks.next() if self._root_evaluates else None
            if task is not None:
                self._run(run, task)
            elif not world.arrived():
                world.nap()
            self._look_around()
            if tasks.failure:
                raise TaskFailed(tasks.failure)

    def _run(self, run: Run, task: int) -> None:
        world, tasks = self._world, self._tasks
        began = time.monotonic()
        self._remarks.clear()
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
        self._load.ran(task, seconds)
        if self._remarks:
            tasks.remarks[task] = list(self._remarks)
        tasks.record(task, result, 0)
        world.rested()

    def _poll(self) -> None:
        if self._world.size == 1:  # no other rank can have brought anything
            self._look_around()
            return
        self._nudge.since = math.inf
        with self._world.clock.during(COMMUNICATION), self._world.detect_deaths():
            self._look_around()
        if self._tasks.complete or self._tasks.failure:
            raise Abandoned
        self._nudge.since = time.monotonic()

    def _look_for_failures(self) -> None:
        """In the middle of a long step of rank 0; only what ends the run may break it off."""
        try:
            while self._world.arrived(tag=FAILURE, status=self._status):
                self._hear_of_failure(self._status.Get_source())
        except self._world.mpi.Exception:  # a rank is lost, which is for the next poll
            return
        if self._tasks.failure:
            raise TaskFailed(self._tasks.failure)

    def _hear_of_failure(self, source: int) -> None:
        handout, task, failure = self._comm.recv(source=source, tag=FAILURE)
        self._running.pop(source, None)
        if handout == self._number:
            self._tasks.fail(task, failure)  # the rank gets no more: nothing after this task can be needed

    def _look_around(self) -> None:
        if self._should_give_up():
            raise GivenUp
        if self._world.size > 1:
            self._answer()

    def _supply(self, rank: int) -> None:
        two = self._load.should_hold_two(self._tasks.available / self._world.size)
        while self._held[rank] < 1 + two:
            task = self._tasks.next()
            if task is None:
                break
            self._held[rank] += 1
            self._comm.Send(TASK_LAYOUT.pack(task, self._tasks.belongs(task)), rank, TASK)

    def _answer(self) -> None:
        world, comm, tasks, status = self._world, self._comm, self._tasks, self._status
        before, self._looked = self._looked, time.monotonic()
        self._load.looked(self._looked - before)
        while world.arrived(status=status):
            source, tag = status.Get_source(), status.Get_tag()
            if tag == FAILURE:
                self._hear_of_failure(source)
            elif tag == BEGIN:
                self._running[source] = comm.recv(source=source, tag=tag), time.monotonic()
            elif tag == REMARKS:
                handout, task, remarks = comm.recv(source=source, tag=tag)
                if handout == self._number:
                    tasks.remarks[task] = remarks
            else:
                self._take_in(source)
        if self._episode_limit is not None:
            self._look_for_the_stuck(self._episode_limit + SECONDS_TO_RETURN / 2)

    def _take_in(self, source: int) -> None:
        """The result that a rank sends, and give it more to do."""
        self._comm.Recv(self._done, source, DONE)
        done = self._layout.unpack(self._done)
        handout, task, idle, seconds = done[:4]
        self._running.pop(source, None)
        if handout != self._number:
            return
        self._held[source] -= 1
        self._seen[source] = time.monotonic()
        self._load.usage.idle += idle
        self._load.ran(task, seconds)
        result = Result(done[self._fitnesses], done[self._fitnesses.stop :])
        self._tasks.record(task, result, self._world.members[source])
        self._supply(source)

    def _look_for_the_stuck(self, limit: float) -> None:
        """Speak up for a rank that hangs in native code, before its watchdog ends it, and the job with it."""
        for rank, (what, since) in self._running.items():
            if self._held[rank] and time.monotonic() - since > limit and not self._world.fault_tolerant:
                raise RankHangs(
                    f"{what}: took longer than episode_timeout={self._episode_limit:g} seconds and is stuck "
                    f"in native code, where it cannot be stopped; rank {self._world.members[rank]} is given up"
                )

    def end(self) -> None:
        """Tell the others that there is no more, and settle the account of time."""
        world, usage, now = self._world, self._load.usage, time.monotonic()
        if world.comm is not self._comm:  # a rank was lost: the others know, and are elsewhere
            return
        evaluating = range(0 if self._root_evaluates else 1, world.size)
        usage.total += len(evaluating) * (now - self._began)
        if self._root_evaluates:
            usage.idle += now - self._began - self._busy
        for rank in range(1, world.size):
            if not self._held[rank]:
                usage.idle += now - self._seen[rank]
            self._comm.Send(TASK_LAYOUT.pack(END, True), rank, TASK)

"""Work out to the ranks and scalars back: the only place that imports mpi4py.

Rank 0 hands out numbered tasks to whoever is free and runs tasks itself, answering the others between
the steps of its own simulator.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from mpi_pgpe.clock import COMMUNICATION
from mpi_pgpe.schedule import COLUMNS, RecentMean, Rounds, Usage, holds_two
from mpi_pgpe.tasks import Abandoned, GivenUp, RankHangs, Run, TaskFailed
from mpi_pgpe.watch import SECONDS_TO_RETURN, Nudge
from mpi_pgpe.world import Patience, World

_TASK, _RESULT, _FAILURE, _REMARKS, _BEGIN = range(1, 6)  # tags of messages
_END = -1  # in place of a task: the generation has all that it needs
_SECONDS_AFTER_FAILURE = 3.5  # until all ranks have ended
_SECONDS_TO_ANSWER = 3.0  # how long a rank waits for rank 0 to take in that a needed task has failed


class Farm(World):
    """The ranks of a world, as hands for tasks.

    Args:
        root_evaluates: whether rank 0 runs tasks as well (it does when it is alone).
        comm: the communicator of the ranks; default all of them.

    Attributes:
        should_give_up: rank 0: asked now and then; True ends a hand-out with GivenUp.
        episode_limit: seconds that what `begins` describes may take; None: no limit.
        remarks: what the running task wants rank 0 to know; its end sends them to `Rounds.remarks`.
        usage: rank 0: of all hand-outs since it was last set anew.
    """

    def __init__(self, root_evaluates: bool = True, comm: Any = None) -> None:
        try:
            import mpi4py

            mpi4py.rc.thread_level = "funneled"
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise SystemExit(
                f"no MPI library can be loaded ({error}); expected mpi4py with MPICH, Open MPI or another one: "
                "pip install mpi4py mpich, or load your cluster's MPI module"
            ) from None

        super().__init__(
            MPI, MPI.COMM_WORLD if comm is None else comm, fault_tolerant="OMPI_MCA_mpi_ft_enable" in os.environ
        )
        self._root_evaluates = root_evaluates
        self.should_give_up: Callable[[], bool] = lambda: False
        self.episode_limit: float | None = None
        self.remarks: list[str] = []
        self.usage = Usage()
        self._task, self._between_looks = RecentMean(), RecentMean()  # rank 0: seconds

    @property
    def root_evaluates(self) -> bool:
        """Whether rank 0 runs tasks."""
        return self._root_evaluates or self.size == 1

    def begins(self, what: str) -> None:
        """Inside a task: the limit starts anew for `what`. Where there is a limit, rank 0 is told."""
        if self.episode_limit is not None and self.rank > 0:
            with self._noticing_deaths():
                self._comm.send(what, 0, _BEGIN)

    # -- as rank 0 sees it ----------------------------------------------------------------------------

    def hand_out(self, tasks: Rounds, run: Run) -> None:
        """Rank 0: have all the tasks run that are needed; results go to `tasks.record`.

        Raises:
            TaskFailed: a needed task failed on some rank. The other ranks have been told to stop theirs.
            GivenUp: `should_give_up` said so; likewise.
        """
        self.handouts += 1
        with self.clock.during(COMMUNICATION), self._noticing_deaths():
            giver = _Giver(self, tasks)
            try:
                giver.give(run)
            except TaskFailed:
                self.over_by = time.monotonic() + _SECONDS_AFTER_FAILURE
                raise
            finally:
                giver.end()

    # -- as the other ranks see it --------------------------------------------------------------------

    def take(self, run: Run) -> None:
        """Other ranks: run the tasks that rank 0 hands out, until it says that it has all it needs."""
        self.handouts += 1
        queue: deque[tuple[int, bool]] = deque()  # tasks, and whether they are known to be needed

        def receive() -> bool:
            """Whether the end has come; what follows it is of the next generation."""
            while not (queue and queue[-1][0] == _END) and self._arrived(0, _TASK):
                message = np.empty(2, np.int64)
                self._comm.Recv(message, 0, _TASK)
                queue.append((int(message[0]), bool(message[1])))
            return bool(queue) and queue[-1][0] == _END

        def poll() -> None:
            with self.clock.during(COMMUNICATION), self._noticing_deaths():
                ended = receive()
            if ended:
                raise Abandoned

        self._rested()
        free_since = time.monotonic()
        with self.clock.during(COMMUNICATION), self._noticing_deaths():
            while not receive():
                if not queue:
                    self._nap()
                    continue
                task, needed = queue.popleft()
                began = time.monotonic()
                self.remarks = []
                try:
                    result = run(task, poll)
                except Abandoned:
                    return
                except TaskFailed as failure:
                    told = self._comm.isend((self.handouts, task, str(failure)), 0, _FAILURE)
                    alone = needed and not self.fault_tolerant  # which would take an Abort for the loss of a rank
                    patience = Patience(_SECONDS_TO_ANSWER if alone else math.inf)
                    while not receive():  # nothing after this task can be needed
                        if patience.over():
                            self._end_without_rank_0(failure)
                        self._nap()
                    told.Free()  # whether it has been received or not
                    return
                if self.remarks:
                    self._comm.send((self.handouts, task, self.remarks), 0, _REMARKS)
                ended = time.monotonic()
                self._comm.Send(np.array([self.handouts, task, began - free_since, ended - began, *result]), 0, _RESULT)
                self._rested()
                free_since = ended

    def _end_without_rank_0(self, failure: TaskFailed) -> None:
        print(
            f"{failure}\nrank 0 does not answer, as in a long step in native code; so rank "
            f"{self.members[self.rank]} ends the run, whose record stays RUNNING",
            file=sys.stderr,
            flush=True,
        )
        self.abort(1)


class _Giver:
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
            while self._farm._arrived(tag=_FAILURE, status=self._status):
                self._hear_of_failure(self._status.Get_source())
        except self._farm._mpi.Exception:  # a rank is lost, which is for the next poll
            return
        if self._tasks.failure:
            raise TaskFailed(self._tasks.failure)

    def _hear_of_failure(self, source: int) -> None:
        handout, task, failure = self._comm.recv(source=source, tag=_FAILURE)
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
            self._comm.Send(np.array([task, self._tasks.belongs(task)], np.int64), rank, _TASK)

    def _account(self, task: int, seconds: float) -> None:
        self._farm.usage.seconds[task] = seconds
        self._farm._task.add(seconds)

    def _answer(self) -> None:
        farm, comm, tasks, status = self._farm, self._comm, self._tasks, self._status
        before, self._looked = self._looked, time.monotonic()
        farm._between_looks.add(self._looked - before)
        while farm._arrived(status=status):
            source, tag = status.Get_source(), status.Get_tag()
            if tag == _FAILURE:
                self._hear_of_failure(source)
            elif tag == _BEGIN:
                self._running[source] = comm.recv(source=source, tag=tag), time.monotonic()
            elif tag == _REMARKS:
                handout, task, remarks = comm.recv(source=source, tag=tag)
                if handout == farm.handouts:
                    tasks.remarks[task] = remarks
            else:
                message = np.empty(4 + COLUMNS)
                comm.Recv(message, source, _RESULT)
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
            self._comm.Send(np.array([_END, True], np.int64), rank, _TASK)

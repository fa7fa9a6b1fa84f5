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
from typing import Any

import numpy as np

from mpi_pgpe.parallel.clock import COMMUNICATION
from mpi_pgpe.parallel.dispatcher import Dispatcher
from mpi_pgpe.parallel.load import RecentMean, Usage
from mpi_pgpe.parallel.messages import BEGIN, END, FAILURE, REMARKS, RESULT, TASK
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Abandoned, Run, TaskFailed
from mpi_pgpe.parallel.world import Patience, World

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
                self._comm.send(what, 0, BEGIN)

    # -- as rank 0 sees it ----------------------------------------------------------------------------

    def hand_out(self, tasks: Rounds, run: Run) -> None:
        """Rank 0: have all the tasks run that are needed; results go to `tasks.record`.

        Raises:
            TaskFailed: a needed task failed on some rank. The other ranks have been told to stop theirs.
            GivenUp: `should_give_up` said so; likewise.
        """
        self.handouts += 1
        with self.clock.during(COMMUNICATION), self._noticing_deaths():
            dispatcher = Dispatcher(self, tasks)
            try:
                dispatcher.give(run)
            except TaskFailed:
                self.over_by = time.monotonic() + _SECONDS_AFTER_FAILURE
                raise
            finally:
                dispatcher.end()

    # -- as the other ranks see it --------------------------------------------------------------------

    def take(self, run: Run) -> None:
        """Other ranks: run the tasks that rank 0 hands out, until it says that it has all it needs."""
        self.handouts += 1
        queue: deque[tuple[int, bool]] = deque()  # tasks, and whether they are known to be needed

        def receive() -> bool:
            """Whether the end has come; what follows it is of the next generation."""
            while not (queue and queue[-1][0] == END) and self._arrived(0, TASK):
                message = np.empty(2, np.int64)
                self._comm.Recv(message, 0, TASK)
                queue.append((int(message[0]), bool(message[1])))
            return bool(queue) and queue[-1][0] == END

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
                    told = self._comm.isend((self.handouts, task, str(failure)), 0, FAILURE)
                    alone = needed and not self.fault_tolerant  # which would take an Abort for the loss of a rank
                    patience = Patience(_SECONDS_TO_ANSWER if alone else math.inf)
                    while not receive():  # nothing after this task can be needed
                        if patience.over():
                            self._end_without_rank_0(failure)
                        self._nap()
                    told.Free()  # whether it has been received or not
                    return
                if self.remarks:
                    self._comm.send((self.handouts, task, self.remarks), 0, REMARKS)
                ended = time.monotonic()
                self._comm.Send(np.array([self.handouts, task, began - free_since, ended - began, *result]), 0, RESULT)
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

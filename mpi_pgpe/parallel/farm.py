"""Distribution of tasks over the ranks; their results come back to rank 0.

Rank 0 hands out numbered tasks to whoever is free and runs tasks itself, answering the others between
the steps of its own simulator.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable

from mpi_pgpe.parallel.clock import COMMUNICATION
from mpi_pgpe.parallel.dispatcher import Dispatcher
from mpi_pgpe.parallel.load import Load
from mpi_pgpe.parallel.messages import BEGIN, DONE, END, FAILURE, REMARKS, TASK, TASK_LAYOUT, done_layout
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Abandoned, Run, TaskFailed
from mpi_pgpe.parallel.world import Patience, World

_SECONDS_AFTER_FAILURE = 3.5  # until all ranks have ended
_SECONDS_TO_ANSWER = 3.0  # how long a rank waits for rank 0 to take in that a needed task has failed


class Farm:
    """Distributes tasks over the ranks of a world.

    Args:
        world: the ranks.
        root_evaluates: whether rank 0 runs tasks as well (it does when it is alone).

    Attributes:
        should_give_up: rank 0: called between steps; True ends a hand-out with GivenUp.
        episode_limit: seconds that an episode (see `begins`) may take; None: no limit.
        remarks: what the running task wants rank 0 to know; its end sends them to `Rounds.remarks`.
        load: rank 0: how long things take.
    """

    def __init__(self, world: World, root_evaluates: bool = True) -> None:
        self.world = world
        self._root_evaluates = root_evaluates
        self.should_give_up: Callable[[], bool] = lambda: False
        self.episode_limit: float | None = None
        self.remarks: list[str] = []
        self.load = Load()
        self._handouts, self._counted_on = 0, world.comm

    @property
    def root_evaluates(self) -> bool:
        """Whether rank 0 runs tasks."""
        return self._root_evaluates or self.world.size == 1

    def _next_handout(self) -> int:
        """The serial number of a hand-out, by which late results are recognised."""
        if self._counted_on is not self.world.comm:  # ranks were lost; those left may have come to different numbers
            self._handouts, self._counted_on = 0, self.world.comm
        self._handouts += 1
        return self._handouts

    def begins(self, what: str) -> None:
        """Inside a task: an episode begins, which `what` describes; rank 0 is sent it if there is a limit."""
        if self.episode_limit is not None and self.world.rank > 0:
            with self.world.detect_deaths():
                self.world.comm.send(what, 0, BEGIN)

    # -- as rank 0 sees it ----------------------------------------------------------------------------

    def hand_out(self, tasks: Rounds, run: Run) -> None:
        """Rank 0: have all the tasks run that are needed; results go to `tasks.record`.

        Raises:
            TaskFailed: a needed task failed on some rank. The other ranks have been told to stop theirs.
            GivenUp: `should_give_up` said so; likewise.
        """
        world = self.world
        number = self._next_handout()
        with world.clock.during(COMMUNICATION), world.detect_deaths():
            dispatcher = Dispatcher(
                world,
                tasks,
                self.load,
                number,
                root_evaluates=self.root_evaluates,
                should_give_up=self.should_give_up,
                episode_limit=self.episode_limit,
                remarks=self.remarks,
            )
            try:
                dispatcher.give(run)
            except TaskFailed:
                world.deadline = time.monotonic() + _SECONDS_AFTER_FAILURE
                raise
            finally:
                dispatcher.end()

    # -- as the other ranks see it --------------------------------------------------------------------

    def take(self, run: Run, evaluations: int = 2) -> None:
        """Other ranks: run the tasks that rank 0 hands out, until it says that it has all it needs.

        `evaluations` is that of rank 0's `Rounds`.
        """
        layout = done_layout(evaluations)
        world, comm = self.world, self.world.comm
        number = self._next_handout()
        message = bytearray(TASK_LAYOUT.size)
        queue: deque[tuple[int, bool]] = deque()  # tasks, and whether they are known to be needed

        def receive() -> bool:
            """Whether the end has come; what follows it is of the next generation."""
            while not (queue and queue[-1][0] == END) and world.arrived(0, TASK):
                comm.Recv(message, 0, TASK)
                queue.append(TASK_LAYOUT.unpack(message))
            return bool(queue) and queue[-1][0] == END

        def poll() -> None:
            with world.clock.during(COMMUNICATION), world.detect_deaths():
                ended = receive()
            if ended:
                raise Abandoned

        world.rested()
        free_since = time.monotonic()
        with world.clock.during(COMMUNICATION), world.detect_deaths():
            while not receive():
                if not queue:
                    world.nap()
                    continue
                task, needed = queue.popleft()
                began = time.monotonic()
                self.remarks.clear()
                try:
                    result = run(task, poll)
                except Abandoned:
                    return
                except TaskFailed as failure:
                    told = comm.isend((number, task, str(failure)), 0, FAILURE)
                    alone = needed and not world.fault_tolerant  # which would take an Abort for the loss of a rank
                    patience = Patience(_SECONDS_TO_ANSWER if alone else math.inf)
                    while not receive():  # nothing after this task can be needed
                        if patience.has_expired():
                            self._end_without_rank_0(failure)
                        world.nap()
                    told.Free()  # whether it has been received or not
                    return
                if self.remarks:
                    comm.send((number, task, self.remarks), 0, REMARKS)
                ended = time.monotonic()
                seconds = began - free_since, ended - began
                comm.Send(layout.pack(number, task, *seconds, *result.fitness, *result.interactions), 0, DONE)
                world.rested()
                free_since = ended

    def _end_without_rank_0(self, failure: TaskFailed) -> None:
        print(
            f"{failure}\nrank 0 does not answer, as in a long step in native code; so rank "
            f"{self.world.members[self.world.rank]} ends the run",
            file=sys.stderr,
            flush=True,
        )
        self.world.abort(1)

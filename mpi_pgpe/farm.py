"""Work out to the ranks, scalars back, sums over the ranks: the only place that imports mpi4py.

Rank 0 hands out numbered tasks to whoever is free and runs tasks itself, answering the others between
the steps of its own simulator. Waiting ranks sleep instead of spinning, because MPI's own waiting burns
the core that a neighbour computes on.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.schedule import COLUMNS, Rounds

Poll = Callable[[], None]
Run = Callable[[int, Poll | None], NDArray[np.float64]]
"""Runs a task, calling Poll now and then; returns its result, shape (schedule.COLUMNS,)."""

_TASK, _RESULT, _FAILURE = 1, 2, 3  # tags of messages
_END = -1  # in place of a task: the generation has all that it needs
_FIRST_NAP, _LONGEST_NAP = 1e-5, 2e-3  # seconds
_SECONDS_TO_STOP = 3.0

# Where launchers tell a process its rank and the number of ranks, before MPI is started.
_LAUNCHERS = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
]


class Abandoned(Exception):
    """Raised by Poll inside a task whose result is no longer needed."""


class TaskFailed(Exception):
    """A task failed; the message tells a person what, where and with which seed."""


def promised_rank(environ: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """(rank, size) that the launcher promised this process, or None without a known launcher."""
    for rank, size in _LAUNCHERS:
        if rank in environ and size in environ:
            return int(environ[rank]), int(environ[size])
    return None


class Farm:
    """The ranks of a world, seen from one of them.

    Args:
        root_evaluates: whether rank 0 runs tasks as well (it does when it is alone).
        comm: the communicator of the ranks; default all of them.
    """

    def __init__(self, root_evaluates: bool = True, comm: Any = None) -> None:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise SystemExit(
                f"no MPI library can be loaded ({error}); expected MPICH, Open MPI or another one: "
                "pip install mpich, or load your cluster's MPI module"
            ) from None

        self._mpi = MPI
        self._comm = (MPI.COMM_WORLD if comm is None else comm).Dup()
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        self.root_evaluates = root_evaluates or self.size == 1
        self._generation = 0  # serial number of hand-outs, so that late results are recognised
        self._in_collective = False
        self._naps = _FIRST_NAP

    # -- to all ranks ---------------------------------------------------------------------------------

    def tell(self, command: int, *arrays: NDArray[Any]) -> None:
        """Rank 0: send a command and 1-d arrays, those of larger items first, to all ranks, which `hear` them."""
        if self.size == 1:
            return
        types = [np.dtype(a.dtype).str for a in arrays]
        header = np.zeros(16, np.int64)
        header[:2] = command, len(arrays)
        for i, (array, kind) in enumerate(zip(arrays, types, strict=True)):
            header[2 + 2 * i : 4 + 2 * i] = _TYPES.index(kind), array.size
        payload = np.frombuffer(b"".join(a.tobytes() for a in arrays), np.uint8)
        self._broadcast(header)
        if len(payload):
            self._broadcast(payload)

    def hear(self) -> tuple[int, list[NDArray[Any]]]:
        """Other ranks: wait for what rank 0 tells."""
        header = np.empty(16, np.int64)
        self._broadcast(header)
        command, n = int(header[0]), int(header[1])
        kinds = [np.dtype(_TYPES[header[2 + 2 * i]]) for i in range(n)]
        sizes = [int(header[3 + 2 * i]) * kind.itemsize for i, kind in enumerate(kinds)]
        payload = np.empty(sum(sizes), np.uint8)
        if len(payload):
            self._broadcast(payload)
        ends = np.cumsum(sizes)
        return command, [
            payload[end - size : end].view(kind) for size, end, kind in zip(sizes, ends, kinds, strict=True)
        ]

    def _broadcast(self, buffer: NDArray[Any]) -> None:
        self._collective(self._comm.Ibcast(buffer, root=0))

    def sum_on_root(self, array: NDArray[np.int64]) -> NDArray[np.int64]:
        """All ranks: the sum of the ranks' arrays, on rank 0 (zeros elsewhere)."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        total = np.zeros_like(array)
        self._collective(self._comm.Ireduce(array, total if self.rank == 0 else None, op=self._mpi.SUM, root=0))
        return total

    def maximum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """All ranks: the elementwise largest of the ranks' arrays."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        result = np.empty_like(array)
        self._collective(self._comm.Iallreduce(array, result, op=self._mpi.MAX))
        return result

    def _collective(self, request: Any, seconds: float = np.inf) -> bool:
        """Wait for a collective operation, asleep; returns False if `seconds` are over before."""
        self._in_collective = True
        deadline = time.monotonic() + seconds
        self._naps = _FIRST_NAP
        while not request.Test():
            if time.monotonic() > deadline:
                return False
            self._nap()
        self._in_collective = False
        return True

    def _nap(self) -> None:
        time.sleep(self._naps)
        self._naps = min(2 * self._naps, _LONGEST_NAP)

    # -- tasks, as rank 0 sees them -------------------------------------------------------------------

    def hand_out(self, tasks: Rounds, run: Run) -> None:
        """Rank 0: have all the tasks run that are needed; results go to `tasks.record`.

        Raises:
            TaskFailed: a needed task failed on some rank. The other ranks have been told to stop theirs.
        """
        self._generation += 1
        held = [0] * self.size  # tasks that each rank has

        def supply(rank: int) -> None:
            # The next task beside the present one, so that a rank never waits for an answer; but not
            # when they run short, so that none lies unstarted at one rank while another is idle.
            while held[rank] < (2 if tasks.available > self.size else 1):
                task = tasks.next()
                if task is None:
                    break
                held[rank] += 1
                self._comm.Send(np.array([task], np.int64), rank, _TASK)

        def answer() -> None:
            status = self._mpi.Status()
            while self._comm.Iprobe(status=status):
                if status.Get_tag() == _FAILURE:
                    generation, task, failure = self._comm.recv(source=status.Get_source(), tag=_FAILURE)
                    if generation == self._generation:
                        tasks.fail(task, failure)  # the rank gets no more: nothing after this task can be needed
                    continue
                message = np.empty(2 + COLUMNS)
                self._comm.Recv(message, status.Get_source(), _RESULT)
                if message[0] == self._generation:
                    held[status.Get_source()] -= 1
                    tasks.record(int(message[1]), message[2:])
                    supply(status.Get_source())

        def poll() -> None:
            answer()
            if tasks.complete or tasks.failure:
                raise Abandoned

        others = range(1, self.size)
        try:
            for rank in others:
                supply(rank)
            while not tasks.complete:
                task = tasks.next() if self.root_evaluates else None
                if task is not None:
                    try:
                        tasks.record(task, run(task, poll if self.size > 1 else None))
                        self._naps = _FIRST_NAP
                    except Abandoned:
                        pass
                    except TaskFailed as failure:
                        tasks.fail(task, str(failure))
                elif not self._comm.Iprobe():
                    self._nap()
                answer()
                if tasks.failure:
                    raise TaskFailed(tasks.failure)
        finally:
            for rank in others:
                self._comm.Send(np.array([_END], np.int64), rank, _TASK)

    # -- tasks, as the other ranks see them -----------------------------------------------------------

    def take(self, run: Run) -> None:
        """Other ranks: run the tasks that rank 0 hands out, until it says that it has all it needs."""
        self._generation += 1
        queue: deque[int] = deque()

        def receive() -> None:
            # What follows the end is of the next generation.
            while not (queue and queue[-1] == _END) and self._comm.Iprobe(0, _TASK):
                message = np.empty(1, np.int64)
                self._comm.Recv(message, 0, _TASK)
                queue.append(int(message[0]))

        def poll() -> None:
            receive()
            if queue and queue[-1] == _END:
                raise Abandoned

        self._naps = _FIRST_NAP
        while True:
            receive()
            if not queue:
                self._nap()
                continue
            if queue[-1] == _END:
                return
            task = queue.popleft()
            try:
                result = run(task, poll)
            except Abandoned:
                return
            except TaskFailed as failure:
                self._comm.send((self._generation, task, str(failure)), 0, _FAILURE)
                continue
            self._comm.Send(np.array([self._generation, task, *result]), 0, _RESULT)
            self._naps = _FIRST_NAP

    # -- the end ----------------------------------------------------------------------------------------

    def stop(self, command: int, exit_code: int) -> None:
        """Rank 0: tell all ranks to end with `exit_code`; end them by force if they do not listen."""
        if self.size == 1:
            return
        if self._in_collective:  # interrupted in the middle: what follows would not match
            self.abort(exit_code)
        header = np.zeros(16, np.int64)
        header[:4] = command, 1, _TYPES.index("<i8"), 1
        ok = self._collective(self._comm.Ibcast(header, root=0), _SECONDS_TO_STOP) and self._collective(
            self._comm.Ibcast(np.array([exit_code], np.int64).view(np.uint8), root=0), _SECONDS_TO_STOP
        )
        if not (ok and self.goodbye()):
            self.abort(exit_code)

    def goodbye(self) -> bool:
        """All ranks: wait until every rank is here; returns False if one is not, after some seconds."""
        if not self._collective(self._comm.Ibarrier(), _SECONDS_TO_STOP):
            return False
        status = self._mpi.Status()
        while self._comm.Iprobe(status=status):  # results that came too late
            late = np.empty(status.Get_count(self._mpi.BYTE), np.uint8)
            self._comm.Recv(late, status.Get_source(), status.Get_tag())
        return True

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        self._comm.Abort(exit_code)


_TYPES = ["<i8", "<i4", "<u8", "<f4", "<f8", "|u1"]

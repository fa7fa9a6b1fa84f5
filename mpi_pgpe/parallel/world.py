"""The ranks of a world: what rank 0 tells all of them, what they add up, and how they part.

Waiting ranks sleep instead of spinning, because MPI's own waiting burns the core that a neighbour
computes on.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.clock import COMMUNICATION, WAITING, Clock
from mpi_pgpe.parallel.fault_tolerance import RanksLost, end_with_the_launcher, leave, noticing_deaths, survivors
from mpi_pgpe.parallel.host_watch import HostWatch

_FIRST_NAP, _LONGEST_NAP = 1e-5, 2e-3  # seconds
_SECONDS_TO_STOP, _LEAST_SECONDS_TO_STOP = 3.0, 0.5
_LOOKS = 4  # without a message, until there is none
_LONGEST_LOOK = 0.1  # seconds from one look at a Patience to the next that count
_TYPES = ["<i8", "<i4", "<u8", "<f4", "<f8", "|u1"]


class Patience:
    """Seconds of waiting, of those in which this process looks at them again and again.

    While the machine stands still the other ranks cannot do what is waited for either, and that does not count.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._looked = time.monotonic()

    def over(self) -> bool:
        """Whether the seconds have passed."""
        before, self._looked = self._looked, time.monotonic()
        self._left -= min(self._looked - before, _LONGEST_LOOK)
        return self._left < 0


class World:
    """The ranks of a communicator, seen from one of them.

    With fault tolerance (fault_tolerance.py) any method may raise RanksLost, on every rank that is left; `rank`,
    `size` and `members` are then those of the ranks that are left.

    Attributes:
        rank, size: of this process now, of the world now.
        members: the ranks that are left, by the numbers they had at the start.
        fault_tolerant: whether the loss of a rank leaves the others alive.
        clock: where the time of this process goes.
        over_by: rank 0: when the ranks should have ended, on time.monotonic's clock; infinite until something failed.
    """

    def __init__(self, mpi: Any, comm: Any, fault_tolerant: bool) -> None:
        self.clock = Clock()
        self._mpi = mpi
        self.fault_tolerant = fault_tolerant
        self._first = self._comm = comm.Dup()
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        self.members = list(range(self.size))
        if fault_tolerant and self.size > 1:
            end_with_the_launcher()
        self.handouts = 0  # serial number of hand-outs, so that late results are recognised
        self.over_by = math.inf
        self._in_collective = False
        self._naps = _FIRST_NAP

    @property
    def library(self) -> str:
        """Name and version of the MPI library."""
        return " ".join(str(self._mpi.Get_library_version()).splitlines()[0].strip("\0 ,").split())

    def neighbours(self) -> tuple[int, int, int]:
        """All ranks: (number among the ranks of this host, how many they are, cores that they may use together)."""
        host = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        cores = np.zeros(4096, np.uint8)
        cores[list(os.sched_getaffinity(0))] = 1
        host.Allreduce(self._mpi.IN_PLACE, cores, op=self._mpi.MAX)
        found = host.Get_rank(), host.Get_size(), int(cores.sum())
        host.Free()
        return found

    def tell(self, command: int, *arrays: NDArray[Any]) -> None:
        """Rank 0: send a command and 1-d arrays, those of larger items first, to all ranks, which `hear` them."""
        if self.size == 1:
            return
        types = [np.dtype(a.dtype).str for a in arrays]
        header = np.zeros(20, np.int64)
        header[:2] = command, len(arrays)
        for i, (array, kind) in enumerate(zip(arrays, types, strict=True)):
            header[2 + 2 * i : 4 + 2 * i] = _TYPES.index(kind), array.size
        payload = np.frombuffer(b"".join(a.tobytes() for a in arrays), np.uint8)
        self._broadcast(header)
        if len(payload):
            self._broadcast(payload)

    def hear(self) -> tuple[int, list[NDArray[Any]]]:
        """Other ranks: wait for what rank 0 tells."""
        header = np.empty(20, np.int64)
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
        with self._noticing_deaths():
            self._collective(self._comm.Ibcast(buffer, root=0))

    def sum_on_root(self, array: NDArray[np.int64]) -> NDArray[np.int64]:
        """All ranks: the sum of the ranks' arrays, on rank 0 (zeros elsewhere)."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        total = np.zeros_like(array)
        with self._noticing_deaths():
            self._collective(self._comm.Ireduce(array, total if self.rank == 0 else None, op=self._mpi.SUM, root=0))
        return total

    def gather_on_root(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """All ranks: on rank 0 the ranks' arrays of shape (n,), as rows in the order of `members`."""
        rows = np.empty((self.size if self.rank == 0 else 0, len(array)))
        with self._noticing_deaths():
            self._collective(self._comm.Igather(array, rows if self.rank == 0 else None, root=0))
        return rows

    def maximum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """All ranks: the elementwise largest of the ranks' arrays."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        result = np.empty_like(array)
        with self._noticing_deaths():
            self._collective(self._comm.Iallreduce(array, result, op=self._mpi.MAX))
        return result

    def _collective(self, request: Any, seconds: float = np.inf) -> bool:
        """Wait for a collective operation, asleep; returns False if `seconds` are over before."""
        self._in_collective = True
        patience = Patience(seconds)
        self._naps = _FIRST_NAP
        with self.clock.during(COMMUNICATION):
            while not request.Test():
                if patience.over():
                    return False
                self._nap()
        self._in_collective = False
        return True

    def _arrived(self, *arguments: Any, **keywords: Any) -> bool:
        """Whether there is a message, as Iprobe says it. MPICH brings one in at a look, and tells of it at the next."""
        return any(self._comm.Iprobe(*arguments, **keywords) for _ in range(_LOOKS))

    def _nap(self) -> None:
        with self.clock.during(WAITING):
            time.sleep(self._naps)
        self._naps = min(2 * self._naps, _LONGEST_NAP)

    def _rested(self) -> None:
        self._naps = _FIRST_NAP

    def watch_hosts(self, advice: str) -> None:
        """All ranks: from now on, end the program, with some advice, when a host is lost."""
        HostWatch(self._comm, advice)

    # -- losses ---------------------------------------------------------------------------------------

    def _noticing_deaths(self) -> AbstractContextManager[None]:
        return noticing_deaths(self._mpi, self._recover) if self.fault_tolerant else nullcontext()

    def _recover(self) -> list[int]:
        before = self.members
        self._comm, self.members = survivors(self._mpi, self._comm, self._first)
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self.handouts = 0  # the ranks may have come to different numbers
        self._in_collective = False
        return sorted(set(before) - set(self.members))

    # -- the end --------------------------------------------------------------------------------------

    def stop(self, command: int, exit_code: int) -> None:
        """Rank 0: tell all ranks to end with `exit_code`; end them by force if they do not listen."""
        seconds = max(_LEAST_SECONDS_TO_STOP, min(_SECONDS_TO_STOP, self.over_by - time.monotonic()))
        while self.size > 1:
            if self._in_collective:  # interrupted in the middle: what follows would not match
                self.abort(exit_code)
            header = np.zeros(20, np.int64)
            header[:4] = command, 1, _TYPES.index("<i8"), 1
            code = np.array([exit_code], np.int64).view(np.uint8)
            try:
                with self._noticing_deaths():
                    ok = self._collective(self._comm.Ibcast(header, root=0), seconds) and self._collective(
                        self._comm.Ibcast(code, root=0), seconds
                    )
                if not (ok and self.goodbye(seconds)):
                    self.abort(exit_code)
                return
            except RanksLost:
                continue

    def goodbye(self, seconds: float = _SECONDS_TO_STOP) -> bool:
        """All ranks: wait until every rank is here; returns False if one is not, after some seconds."""
        with self._noticing_deaths():
            if not self._collective(self._comm.Ibarrier(), seconds):
                return False
            status = self._mpi.Status()
            while self._arrived(status=status):  # results that came too late
                late = np.empty(status.Get_count(self._mpi.BYTE), np.uint8)
                self._comm.Recv(late, status.Get_source(), status.Get_tag())
        return True

    def leave(self, exit_code: int) -> None:
        """All ranks, last of all: end this process if MPI might not let it end by itself."""
        if self.fault_tolerant:
            leave(exit_code)

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        self._comm.Abort(exit_code)

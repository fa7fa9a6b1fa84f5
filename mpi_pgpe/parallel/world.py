"""The ranks of a world: what rank 0 tells all of them, what they add up, and how they part.

The only place that imports mpi4py.

Waiting ranks sleep instead of spinning, because MPI's own waiting burns the core that a neighbour
computes on.
"""

from __future__ import annotations

import math
import os
import pickle
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.errors import FAILED, UserError
from mpi_pgpe.parallel.clock import COMMUNICATION, WAITING, Clock
from mpi_pgpe.parallel.fault_tolerance import RanksLost, detect_deaths, end_with_the_launcher, find_survivors, leave
from mpi_pgpe.parallel.host_watch import HostWatch
from mpi_pgpe.parallel.launcher import describe_own_launcher, is_foreign_to_mpich
from mpi_pgpe.parallel.start_limit import limited_start

_FIRST_NAP, _LONGEST_NAP = 1e-5, 2e-3  # seconds
_SECONDS_TO_TELL = 10.0
_SECONDS_TO_STOP, _LEAST_SECONDS_TO_STOP = 3.0, 0.5
_LOOKS = 4  # without a message, until there is none
_LONGEST_LOOK = 0.1  # seconds from one look at a Patience to the next that count


class Patience:
    """Seconds of waiting, of those in which this process looks at them again and again.

    While the machine stands still the other ranks cannot do what is waited for either, and that does not count.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._looked = time.monotonic()

    def has_expired(self) -> bool:
        """Whether the seconds have passed."""
        before, self._looked = self._looked, time.monotonic()
        self._left -= min(self._looked - before, _LONGEST_LOOK)
        return self._left < 0


class NoMPI(UserError):
    """MPI cannot be used here.

    Attributes:
        finding, what_to_do: the two halves of the message.
    """

    def __init__(self, finding: str, what_to_do: str) -> None:
        super().__init__(f"{finding}; {what_to_do}")
        self.finding, self.what_to_do = finding, what_to_do


def _load_mpi() -> Any:
    """mpi4py's MPI; imported late, because that import starts MPI."""
    if is_foreign_to_mpich():
        if os.environ["OMPI_COMM_WORLD_RANK"] != "0":
            time.sleep(_SECONDS_TO_TELL)  # mpirun ends all with the first, which is to be the one that tells
            raise SystemExit(FAILED)
        raise NoMPI(
            "this mpirun is Open MPI's, and the MPI library here is MPICH",
            f"start with {describe_own_launcher()}; one rank needs no mpirun",
        )
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        # mpi4py names a dozen places where it looked; what counts is a library that is there and does not load.
        missing = re.compile(r"\S*libmpi\S*: cannot open shared object file: No such file.*")
        said = [line for line in str(error).splitlines() if not missing.fullmatch(line)]
        raise NoMPI(
            f"no MPI library can be loaded ({'; '.join(said)})",
            "pip install mpi4py mpich, or load your cluster's MPI module",
        ) from None
    return MPI


def _packed(command: int, arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """What a command is told in: (the command and the number of bytes that follow, those bytes).

    Pickles are safe between ranks of one program: nobody else can send any.
    """
    payload = np.frombuffer(pickle.dumps(list(arrays), protocol=5), np.uint8)
    return np.array([command, len(payload)], np.int64), payload


class World:
    """The ranks of a communicator, seen from one of them.

    With fault tolerance (fault_tolerance.py) any method may raise RanksLost, on every rank that is left; `rank`,
    `size` and `members` are then those of the ranks that are left.

    Args:
        comm: the communicator of the ranks, of which a duplicate is used; default all of them.

    Attributes:
        mpi, comm: mpi4py's MPI, and the communicator now.
        rank, size: of this process now, of the world now.
        members: the ranks that are left, by the numbers they had at the start.
        fault_tolerant: whether the loss of a rank leaves the others alive.
        clock: where the time of this process goes.
        deadline: rank 0: when the ranks should have ended, on time.monotonic's clock; infinite until something failed.
    """

    def __init__(self, comm: Any = None) -> None:
        self.clock = Clock()
        self.fault_tolerant = "OMPI_MCA_mpi_ft_enable" in os.environ
        with limited_start() if self.fault_tolerant and comm is None else nullcontext():
            self.mpi = _load_mpi()
            comm = self.mpi.COMM_WORLD if comm is None else comm
            self._first = self.comm = comm.Dup()
        self.rank: int = self.comm.Get_rank()
        self.size: int = self.comm.Get_size()
        self.members = list(range(self.size))
        if self.fault_tolerant and self.size > 1:
            end_with_the_launcher()
        self.deadline = math.inf
        self._in_collective = False
        self._naps = _FIRST_NAP

    def renew(self) -> None:
        """All ranks: begin again, with the ranks that are left, as for a second run of one program."""
        self.clock, self.deadline = Clock(), math.inf

    @property
    def library(self) -> str:
        """Name and version of the MPI library."""
        return " ".join(str(self.mpi.Get_library_version()).splitlines()[0].strip("\0 ,").split())

    def neighbours(self) -> tuple[int, int, int]:
        """All ranks: (number among the ranks of this host, how many they are, cores that they may use together)."""
        host = self.comm.Split_type(self.mpi.COMM_TYPE_SHARED)
        cores = np.zeros(4096, np.uint8)
        cores[list(os.sched_getaffinity(0))] = 1
        host.Allreduce(self.mpi.IN_PLACE, cores, op=self.mpi.MAX)
        found = host.Get_rank(), host.Get_size(), int(cores.sum())
        host.Free()
        return found

    def tell(self, command: int, *arrays: NDArray[Any]) -> None:
        """Rank 0: send a command and arrays, of any shapes and dtypes, to all ranks, which `hear` them."""
        if self.size > 1:
            for part in _packed(command, arrays):
                self._broadcast(part)

    def hear(self) -> tuple[int, list[NDArray[Any]]]:
        """Other ranks: wait for what rank 0 tells."""
        header = np.empty(2, np.int64)
        self._broadcast(header)
        payload = np.empty(header[1], np.uint8)
        self._broadcast(payload)
        return int(header[0]), pickle.loads(payload.data)

    def _broadcast(self, buffer: NDArray[Any]) -> None:
        with self.detect_deaths():
            self._collective(self.comm.Ibcast(buffer, root=0))

    def sum_on_root(self, array: NDArray[np.int64]) -> NDArray[np.int64]:
        """All ranks: the sum of the ranks' arrays, on rank 0 (zeros elsewhere)."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        total = np.zeros_like(array)
        with self.detect_deaths():
            self._collective(self.comm.Ireduce(array, total if self.rank == 0 else None, op=self.mpi.SUM, root=0))
        return total

    def gather_on_root(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """All ranks: on rank 0 the ranks' arrays of shape (n,), as rows in the order of `members`."""
        rows = np.empty((self.size if self.rank == 0 else 0, len(array)))
        with self.detect_deaths():
            self._collective(self.comm.Igather(array, rows if self.rank == 0 else None, root=0))
        return rows

    def maximum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """All ranks: the elementwise largest of the ranks' arrays."""
        if self.size == 1:
            return array
        array = np.ascontiguousarray(array)
        result = np.empty_like(array)
        with self.detect_deaths():
            self._collective(self.comm.Iallreduce(array, result, op=self.mpi.MAX))
        return result

    def _collective(self, request: Any, seconds: float = np.inf) -> bool:
        """Wait for a collective operation, asleep; returns False if `seconds` are over before."""
        self._in_collective = True
        patience = Patience(seconds)
        self._naps = _FIRST_NAP
        with self.clock.during(COMMUNICATION):
            while not request.Test():
                if patience.has_expired():
                    return False
                self.nap()
        self._in_collective = False
        return True

    def arrived(self, *arguments: Any, **keywords: Any) -> bool:
        """Whether there is a message, as Iprobe says it. MPICH brings one in at a look, and tells of it at the next."""
        return any(self.comm.Iprobe(*arguments, **keywords) for _ in range(_LOOKS))

    def nap(self) -> None:
        """Sleep for a little, longer from nap to nap; `rested` begins with short ones again."""
        with self.clock.during(WAITING):
            time.sleep(self._naps)
        self._naps = min(2 * self._naps, _LONGEST_NAP)

    def rested(self) -> None:
        """There was something to do: the next nap is a short one."""
        self._naps = _FIRST_NAP

    def watch_hosts(self, advice: str) -> None:
        """All ranks: from now on, end the program, with some advice, when a host is lost."""
        HostWatch(self.comm, advice)

    # -- losses ---------------------------------------------------------------------------------------

    def detect_deaths(self) -> AbstractContextManager[None]:
        """A context for all that is sent and received: where ranks die in it, it raises RanksLost."""
        return detect_deaths(self.mpi, self._recover) if self.fault_tolerant else nullcontext()

    def _recover(self) -> list[int]:
        before = self.members
        self.comm, self.members = find_survivors(self.mpi, self.comm, self._first)
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self._in_collective = False
        return sorted(set(before) - set(self.members))

    # -- the end --------------------------------------------------------------------------------------

    def stop(self, command: int, exit_code: int, *arrays: NDArray[Any], patience: float = _SECONDS_TO_STOP) -> None:
        """Rank 0: tell all ranks to end with `exit_code`, and arrays; end them by force if they do not listen."""
        seconds = max(_LEAST_SECONDS_TO_STOP, min(patience, self.deadline - time.monotonic()))
        while self.size > 1:
            if self._in_collective:  # interrupted in the middle: what follows would not match
                self.abort(exit_code)
            try:
                with self.detect_deaths():
                    ok = all(
                        self._collective(self.comm.Ibcast(part, root=0), seconds)
                        for part in _packed(command, [np.array([exit_code], np.int64), *arrays])
                    )
                if not (ok and self.goodbye(seconds)):
                    self.abort(exit_code)
                return
            except RanksLost:
                continue

    def goodbye(self, seconds: float = _SECONDS_TO_STOP) -> bool:
        """All ranks: wait until every rank is here; returns False if one is not, after some seconds."""
        with self.detect_deaths():
            if not self._collective(self.comm.Ibarrier(), seconds):
                return False
            status = self.mpi.Status()
            while self.arrived(status=status):  # results that came too late
                late = np.empty(status.Get_count(self.mpi.BYTE), np.uint8)
                self.comm.Recv(late, status.Get_source(), status.Get_tag())
        return True

    def leave(self, exit_code: int) -> None:
        """All ranks, last of all: end this process if MPI might not let it end by itself."""
        if self.fault_tolerant:
            leave(exit_code)

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        self.comm.Abort(exit_code)

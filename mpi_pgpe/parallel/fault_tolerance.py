"""Going on without the ranks that died, under an MPI with user-level fault mitigation (ULFM).

Open MPI 5 started with `mpiexec --with-ft ulfm` reports the death of a rank as an error of whatever
operation meets it, instead of ending the job. The rank that sees the error first revokes the
communicator, so that every other one fails out of whatever it is in; then the survivors meet in
`find_survivors`, which makes the communicator that they go on with.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class RanksLost(Exception):
    """Ranks died during an operation. Those that are left share a new communicator; do it again."""

    def __init__(self, ranks: list[int]) -> None:
        super().__init__(f"lost rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}")
        self.ranks = ranks


@contextmanager
def detect_deaths(mpi: Any, recover: Callable[[], list[int]]) -> Iterator[None]:
    """Turn errors that come of dead ranks into RanksLost, after `recover`, which returns the numbers of these ranks."""
    try:
        yield
    except mpi.Exception as error:
        lost = recover()
        told = mpi.ERR_PROC_FAILED, mpi.ERR_PROC_FAILED_PENDING, mpi.ERR_REVOKED
        # Of others, too, a death may be the cause: Open MPI's collective operations now and then say ERR_OTHER.
        if not lost and error.Get_error_class() not in told:
            raise
        raise RanksLost(lost) from None


def find_survivors(mpi: Any, comm: Any, first: Any) -> tuple[Any, list[int]]:
    """Every rank that is left in `comm`: (a communicator of those, their numbers in `first`).

    Ends this process if rank 0 of `first` is among the dead, because it alone holds the run.
    """
    comm.Revoke()
    left = comm.Shrink()
    group = left.Get_group()
    members = group.Translate_ranks(list(range(group.Get_size())), first.Get_group())
    if members[0] != 0:
        if left.Get_rank() == 0:
            print("rank 0 is lost, and the run with it; its last checkpoint serves to resume", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)  # Finalize would wait for the dead
    return left, [int(member) for member in members]


def leave(exit_code: int) -> None:
    """End this process without MPI's Finalize, which waits for ever for ranks that died, now and then."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def end_with_the_launcher() -> None:
    """From now on this process ends when the one that started it does.

    With fault tolerance Open MPI's Abort ends the rank that calls it and mpiexec, and leaves the others alone.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="launcher watch", daemon=True).start()

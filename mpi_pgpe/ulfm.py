"""Going on without the ranks that died, under an MPI with user-level fault mitigation (ULFM).

Open MPI 5 started with `mpiexec --with-ft ulfm` reports the death of a rank as an error of whatever
operation meets it, instead of ending the job. The rank that sees the error first revokes the
communicator, so that every other one fails out of whatever it is in; then the survivors meet in
`survivors`, which makes the communicator that they go on with.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SECONDS_TO_FINALIZE = 3.0


class RanksLost(Exception):
    """Ranks died during an operation. Those that are left share a new communicator; do it again."""

    def __init__(self, ranks: list[int]) -> None:
        super().__init__(f"lost rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}")
        self.ranks = ranks


@contextmanager
def noticing_deaths(mpi: Any, recover: Callable[[], list[int]]) -> Iterator[None]:
    """Turn the errors that tell of dead ranks into RanksLost, after `recover`, which returns their numbers."""
    try:
        yield
    except mpi.Exception as error:
        if error.Get_error_class() not in _classes_of_death(mpi):
            raise
        raise RanksLost(recover()) from None


def _classes_of_death(mpi: Any) -> set[int]:
    names = ("ERR_PROC_FAILED", "ERR_PROC_FAILED_PENDING", "ERR_REVOKED")  # unknown to older versions of MPI
    return {getattr(mpi, name) for name in names if hasattr(mpi, name)}


def survivors(mpi: Any, comm: Any, first: Any) -> tuple[Any, list[int]]:
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


def leave(mpi: Any, exit_code: int) -> None:
    """End MPI and this process, after ranks were lost: Open MPI's Finalize may then wait for them for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    threading.Timer(_SECONDS_TO_FINALIZE, os._exit, (exit_code,)).start()
    mpi.Finalize()
    os._exit(exit_code)

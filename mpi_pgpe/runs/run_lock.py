"""One program at a time goes on with a run: a lock beside its checkpoints, which dies with the program."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.file_lock import FileLock, try_lock
from mpi_pgpe.runs.run_folder import LOCK

SECONDS_OF_A_LOST_HOST = 100
"""How long a file server may hold the lock of a host that is gone: NFSv4's lease is 90 seconds."""
_LONGEST = 1000  # bytes that say who holds a lock


class InUse(WrongInput):
    """Another program goes on with this run."""


class RunLocks:
    """The locks that a program holds while it goes on with a run, or begins one.

    Args:
        patient: whether to wait for what may be a host that is gone, as for a job that was requeued.
        give_up: whether to stop waiting, because the program is told to end.
    """

    def __init__(self, patient: bool = False, give_up: Callable[[], bool] = lambda: False) -> None:
        self.patient = patient
        self._give_up = give_up
        self._held: dict[Path, FileLock] = {}

    def hold(self, folder: Path, key: str) -> bool:
        """Be the only program that goes on with the checkpoints of a configuration in a folder.

        Returns:
            whether it was not before.

        Raises:
            InUse: another program is.
        """
        path = Path(os.path.realpath(folder)) / f".{key}{LOCK}"
        if path in self._held:
            return False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = try_lock(path) or self._wait(path)
        except OSError:  # nobody may write there: that is told when this program has to
            return False
        self._held[path] = lock
        if not lock.certain:
            print(
                f"{folder}: this file system has no locks: see to it that no other program goes on with this run",
                file=sys.stderr,
                flush=True,
            )
        with contextlib.suppress(OSError):  # a full disk; it is only said to who comes next
            lock.file.truncate(0)
            lock.file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode())
        return True

    def _wait(self, path: Path) -> FileLock:
        """The lock that another program holds, if it is given back in time."""
        host, owner = _owner(path)
        deadline = time.monotonic() + SECONDS_OF_A_LOST_HOST
        if self.patient and host != socket.gethostname():
            print(
                f"{path.parent}: held by {owner}; waiting up to {SECONDS_OF_A_LOST_HOST} s, because that may be gone",
                file=sys.stderr,
                flush=True,
            )
            while time.monotonic() < deadline and not self._give_up():
                time.sleep(1)
                lock = try_lock(path)
                if lock is not None:
                    return lock
        raise InUse(
            f"{path.parent}: expected a run that no other program goes on with, but {owner} does. Wait until that "
            f"ends, or end it; two would record every generation twice"
        )

    def close(self) -> None:
        """Give all of them back."""
        for lock in self._held.values():
            with contextlib.suppress(OSError):
                lock.file.truncate(0)  # nobody holds it
            lock.close()
        self._held.clear()


def _owner(path: Path) -> tuple[str | None, str]:
    """(its host, what to call it) of the program that holds a lock."""
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read(_LONGEST))
        return str(said["host"]), f"process {int(said['pid'])} on {said['host']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None, "another program"

"""Processes that an environment or a library forked and left: they would keep mpiexec waiting for ever.

They hold the pipes that mpiexec reads until the last process has closed them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import time
from pathlib import Path

from mpi_pgpe.parallel.launcher import find_descendants

_SECONDS_TO_END = 2.0  # by themselves, and after SIGTERM


class Leftovers:
    """Knows which processes were below this one before there was any environment."""

    def __init__(self) -> None:
        self._before = set(find_descendants(os.getpid()))

    def end(self) -> str | None:
        """End those that have come since; returns a sentence on them, or None if there were none."""
        left = self._left()
        if not left:
            return None
        names = ", ".join(f"{_name(pid)} ({pid})" for pid in left)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._left():
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            until = time.monotonic() + _SECONDS_TO_END
            while self._left() and time.monotonic() < until:
                time.sleep(0.02)
        for pid in left:
            with contextlib.suppress(ChildProcessError):  # a child of a child
                os.waitpid(pid, os.WNOHANG)
        what = "a process was" if len(left) == 1 else "processes were"
        return (
            f"{what} still there ({names}), which an environment or a library left behind, and ended. "
            "An environment's close() is the place to end what it started"
        )

    def _left(self) -> list[int]:
        helpers = _of_multiprocessing()
        came = [pid for pid in find_descendants(os.getpid()) if pid not in self._before | helpers]
        return [pid for pid in came if _runs(pid) and _holds_output(pid)]


def _of_multiprocessing() -> set[int]:
    """Its processes that end with this one."""
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    server = sys.modules.get("multiprocessing.forkserver")
    return {
        pid
        for pid in (
            getattr(getattr(tracker, "_resource_tracker", None), "_pid", None),
            getattr(getattr(server, "_forkserver", None), "_forkserver_pid", None),
        )
        if pid is not None
    }


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in (b"Z", b"X")
    except OSError:
        return False


def _holds_output(pid: int) -> bool:
    """Whether it could print where this process does. Others, such as git for sacred, keep nobody waiting."""
    streams = [os.fstat(number) for number in (1, 2) if os.isatty(number) or not stat.S_ISCHR(os.fstat(number).st_mode)]
    ours = {(found.st_dev, found.st_ino) for found in streams}  # all but /dev/null, which programs have for much
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if (found.st_dev, found.st_ino) in ours:
                    return True
    return False


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    return words if len(words) <= 60 else f"{words[:60]}..."

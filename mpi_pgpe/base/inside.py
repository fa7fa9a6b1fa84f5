"""What holds while an environment's code runs: a working folder of its own, and no end without a word."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO

from mpi_pgpe.base.errors import FAILED


class Inside:
    """A block in which an environment's code runs; blocks may be inside each other.

    The working folder is the one that the environment went to last: what it opens by a relative path is found, as if it
    were alone. After the block it is what it was before, for all others and for paths that a user gave.

    os._exit would end the program without a word, with whatever exit code; see `guard_exit`. A process that it forks
    is a copy of the program; see `end_copy`.

    Args:
        folder: of the first block; None: where the process is.

    Attributes:
        depth: how many blocks of this process are being run, one inside the other.
    """

    depth = 0

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._before: list[tuple[str | None, Callable[[int], object], int]] = []
        self._processes: list[int] = []
        self._streams: list[tuple[TextIO, TextIO]] = []

    def __enter__(self) -> Inside:
        self._before.append((working_folder(), os._exit, _program))
        self._processes.append(os.getpid())
        self._streams.append((sys.stdout, sys.stderr))
        if self.folder is not None:
            os.chdir(self.folder)
        guard_exit()
        Inside.depth += 1
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.end_copy(error)
        self._processes.pop()
        self._put_back_streams()
        Inside.depth -= 1
        here = working_folder()
        global _program
        before, os._exit, _program = self._before.pop()  # type: ignore[assignment]
        if here == before:
            self.folder = None
            return
        self.folder = here
        if before is not None:
            with contextlib.suppress(OSError):  # it may have been removed
                os.chdir(before)

    def _put_back_streams(self) -> None:
        """Standard output and errors as they were, where the code has left a closed stream or None in their place."""
        for name, before in zip(("stdout", "stderr"), self._streams.pop(), strict=True):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", False):
                setattr(sys, name, before)

    def end_copy(self, error: BaseException | None = None) -> None:
        """End this process if the code of the block has forked it and then come back from there, or raised `error`.

        It would go on as a second copy of the program: record its generations again, and take the other's messages.
        """
        if not self._processes or os.getpid() == self._processes[-1]:
            return
        message = "a process that an environment or a library forked did not end there; it is ended\n"
        if error is not None:
            message = "".join(traceback.format_exception(error)) + message
        with contextlib.suppress(OSError):
            os.write(2, message[-10_000:].encode(errors="backslashreplace"))
        _leave(FAILED)


def guard_exit() -> None:
    """From now on os._exit raises SystemExit in the main thread of this process, unless this package calls it.

    In another thread it says so, and the exit code is not 0. In processes that are forked it does what it always does.
    """
    global _program
    _program = os.getpid()
    os._exit = _exit


_leave = os._exit
_program = -1  # the process that is guarded


def _exit(status: int) -> NoReturn:
    package = str(sys._getframe(1).f_globals.get("__name__")).partition(".")[0]
    if os.getpid() != _program or package == __name__.partition(".")[0]:  # a lost rank 0 ends us amid an episode
        _leave(status)
    if threading.current_thread() is threading.main_thread():
        raise SystemExit(f"os._exit({status}) was called, which would end the program without a word")
    message = f"os._exit({status}) was called in a thread that an environment or a library has started\n"
    with contextlib.suppress(OSError):
        os.write(2, message.encode())
    _leave(status or FAILED)


def working_folder() -> str | None:
    """The working folder; None if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None

"""What holds while an environment's code runs: a working folder of its own, and no end without a word."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable


class Inside:
    """A block in which an environment's code runs; blocks may be inside each other.

    The working folder is the one that the environment went to last: what it opens by a relative path is found, as if it
    were alone. After the block it is what it was before, for all others and for paths that a user gave.

    os._exit would end the program without a word, with whatever exit code; in the main thread of this process it raises
    SystemExit. In processes that the environment forks, and in threads, it does what it always does.

    Args:
        folder: of the first block; None: where the process is.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._before: list[tuple[str | None, Callable[[int], object]]] = []

    def __enter__(self) -> Inside:
        leave = os._exit
        self._before.append((working_folder(), leave))
        if self.folder is not None:
            os.chdir(self.folder)
        os._exit = _raising(leave)  # type: ignore[assignment]
        return self

    def __exit__(self, *error: object) -> None:
        here = working_folder()
        before, os._exit = self._before.pop()  # type: ignore[assignment]
        if here == before:
            self.folder = None
            return
        self.folder = here
        if before is not None:
            with contextlib.suppress(OSError):  # it may have been removed
                os.chdir(before)


def _raising(leave: Callable[[int], object]) -> Callable[[int], None]:
    program = os.getpid()

    def _exit(status: int) -> None:
        package = str(sys._getframe(1).f_globals.get("__name__")).partition(".")[0]
        in_main = os.getpid() == program and threading.current_thread() is threading.main_thread()
        if not in_main or package == __name__.partition(".")[0]:  # a lost rank 0 ends us in the middle of an episode
            leave(status)
        raise SystemExit(f"os._exit({status}) was called, which would end the program without a word")

    return _exit


def working_folder() -> str | None:
    """The working folder; None if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None

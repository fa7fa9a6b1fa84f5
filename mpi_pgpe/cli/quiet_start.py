"""Ctrl-C while a program is still being loaded ends it without a traceback."""

from __future__ import annotations

import os
import signal
from types import FrameType

from mpi_pgpe.base.errors import INTERRUPTED


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


def begin() -> None:
    """From now on Ctrl-C ends the program at once: nothing has been begun that would need an orderly end."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _end)


def end() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)

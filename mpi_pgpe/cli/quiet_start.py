"""Import this first: Ctrl-C while a program is still being loaded ends it without a traceback."""

import os
import signal
from types import FrameType

EXIT_CODE = 130  # of a program that SIGINT ended, as shells have it


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_CODE)


def over() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
    signal.signal(signal.SIGINT, _end)

"""Silence for libraries that print while they load, from C as well as from Python."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_output() -> Iterator[None]:
    """Meanwhile, send what is written to standard output and error (from C too) to nowhere.

    For pybullet, which prints its build time when it is imported and `argv[0]=` for each client: 64
    ranks would print them 64 times. Exceptions pass through as ever.
    """
    flush_c = ctypes.CDLL(None).fflush
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed: nothing to protect, or None
            stream.flush()
    flush_c(None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    saved = {}
    try:
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # closed: nothing to protect
                saved[descriptor] = os.dup(descriptor)
                os.dup2(nowhere, descriptor)
        yield
    finally:
        flush_c(None)
        for descriptor, original in saved.items():
            os.dup2(original, descriptor)
            os.close(original)
        os.close(nowhere)

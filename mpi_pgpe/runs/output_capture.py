"""What is printed, on its way to the screen and into a run's record."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from sacred.stdout_capturing import TeeingStreamProxy

from mpi_pgpe.base import output


@contextlib.contextmanager
def capture_output(write: Callable[[str], None]) -> Iterator[None]:
    """Hand what is printed meanwhile to `write` as well, in whole lines."""
    out = _Lines(write)
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = TeeingStreamProxy(stdout, out), TeeingStreamProxy(stderr, out)
    try:
        with output.listening(lambda sentence: write(f"{sentence}\n")):
            yield
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        out.close()


class _Lines:
    """A stream that hands on whole lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._pieces: list[str] = []
        self._guard = threading.RLock()

    def write(self, text: str) -> None:
        """Hand on what is complete."""
        with self._guard:
            end = text.rfind("\n") + 1
            if end:
                self._write("".join([*self._pieces, text[:end]]))
                self._pieces.clear()
            if text[end:]:
                self._pieces.append(text[end:])

    def flush(self) -> None:
        """Nothing: only the beginning of a line is ever kept back."""

    def close(self) -> None:
        """Hand on the last line, complete or not."""
        with self._guard:
            self._write("".join(self._pieces))
            self._pieces.clear()

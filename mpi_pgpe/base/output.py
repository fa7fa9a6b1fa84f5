"""Standard output and errors that end no program: what cannot be printed is dropped, and who listens hears of it.

A log on a full disk, a reader that goes away (`| head -1`), a stream that is closed, a terminal that is closed: to
Python each is an OSError in the middle of a print, of this program, a library or an environment.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Callable, Iterator
from typing import IO

_PASSES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What may be over the next time. After other errors all that goes to the descriptor, from C too, goes to nowhere."""

OUTPUT, ERRORS = "standard output", "standard error"
Listener = Callable[[str], None]
Trouble = Callable[[], OSError | None]

_losses: dict[str, OSError] = {}  # the first of each stream
_listeners: list[Listener] = []


class LossyFile(io.FileIO):
    """A descriptor to write to, which takes everything and keeps what it can.

    Args:
        descriptor: is left open in the end.
        name: of the stream, for those that listen; empty: they are not told.
        trouble: asked before each write, of what lies behind the descriptor.
    """

    def __init__(self, descriptor: int, name: str = "", trouble: Trouble | None = None) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._name = name
        self._trouble = trouble

    def write(self, data: object) -> int:
        """Write all of it, or drop what cannot be written; returns its size."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        try:
            error = None if self._trouble is None else self._trouble()
            if error is not None:
                raise error
            done = 0
            while done < len(view):
                written = super().write(view[done:])
                if written is None:  # the descriptor does not block, and its reader is slow
                    select.select([], [self], [])
                else:
                    done += written
        except OSError as error:
            self._lose(error)
        return len(view)

    def _lose(self, error: OSError) -> None:
        if error.errno not in _PASSES:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)
            self._trouble = None
        if self._name:
            _lost(self._name, error)


def _lost(name: str, error: OSError) -> None:
    if name in _losses:
        return
    _losses[name] = error
    for listener in list(_listeners):
        listener(_sentence(name, error))


def _sentence(name: str, error: OSError) -> str:
    return f"{name} cannot be written to ({error.strerror}): what is printed there is dropped, and the program goes on"


def protect(behind: Callable[[int], Trouble | None] = lambda descriptor: None) -> None:
    """Put streams that lose nothing but their text in the place of sys.stdout and sys.stderr.

    A character that the terminal's encoding lacks is written as an escape. A descriptor that is closed is opened again
    to nowhere: else the next file that is opened, a checkpoint say, would get what C libraries print.

    Args:
        behind: gives the `trouble` of LossyFile for a descriptor.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for descriptor, attribute, name in ((1, "stdout", OUTPUT), (2, "stderr", ERRORS)):
        stream = getattr(sys, attribute)
        if stream is None:  # closed when Python was started
            stream = _as_text(LossyFile(os.open(os.devnull, os.O_WRONLY), name))
            _lost(name, OSError(errno.EBADF, "it is closed"))
        elif not isinstance(getattr(stream.buffer, "raw", stream.buffer), LossyFile):
            stream = _lossy(stream, LossyFile(descriptor, name, behind(descriptor)))
        setattr(sys, attribute, stream)
        setattr(sys, f"__{attribute}__", stream)


def _lossy(stream: IO[str], raw: LossyFile) -> io.TextIOWrapper:
    assert isinstance(stream, io.TextIOWrapper)
    with contextlib.suppress(OSError):
        stream.flush()
    return _as_text(raw, stream.encoding, stream.line_buffering or stream.write_through, stream.write_through)


def lossy_text(descriptor: int) -> IO[str]:
    """A stream of text to a descriptor of whose losses nobody is told."""
    return _as_text(LossyFile(descriptor))


class _Stream(io.TextIOWrapper):
    """Stays open when a library or an environment closes it: the program goes on printing."""

    def close(self) -> None:
        self.flush()


def _as_text(
    raw: LossyFile, encoding: str = "utf-8", line_buffering: bool = True, write_through: bool = False
) -> io.TextIOWrapper:
    return _Stream(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
        write_through=write_through,
    )


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Meanwhile call `listener` with a sentence for each stream that has lost something, also before now."""
    for name, error in _losses.items():
        listener(_sentence(name, error))
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell_on_the_other(sentence: str) -> None:
    """Write a loss of one stream to the other one, if that can be."""
    other = 2 if sentence.startswith(OUTPUT) else 1
    if (ERRORS if other == 2 else OUTPUT) not in _losses:
        with contextlib.suppress(OSError):  # past Python's stream, in the middle of whose write this may be
            os.write(other, f"{sentence}\n".encode())


def find_loss(name: str) -> OSError | None:
    """The first error of a stream, if there was one; after what is buffered has been written."""
    stream = sys.stdout if name == OUTPUT else sys.stderr
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return _losses.get(name)

"""The end of environments: each is closed before its process ends, because it may have started programs."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

SECONDS = 5.0
"""What all environments of a process may take for their `close` together."""

_open: weakref.WeakSet[Any] = weakref.WeakSet()


def remember(env: Any) -> None:
    """Remember an environment, which has a `name` and a `close`, until `forget`, or until nobody refers to it."""
    _open.add(env)


def forget(env: Any) -> None:
    """Forget it."""
    _open.discard(env)


def list_open() -> list[Any]:
    """The environments of this process that are open."""
    return list(_open)


def close_all(but: Iterable[Any] = ()) -> list[str]:
    """Close all environments of this process that are open, `but` those; from the main thread.

    One whose `close` does not return is given up: what waits in Python is interrupted; a process that is stuck in
    native code ends with exit code 1 and a traceback.

    Returns:
        what went wrong, in a sentence each.
    """
    complaints, kept = [], {id(env) for env in but}
    with _limit():
        for env in [env for env in _open if id(env) not in kept]:
            _open.discard(env)
            try:
                env.close()
            except (Exception, SystemExit) as error:
                complaints.append(f"environment {env.name!r} could not be closed: {type(error).__name__}: {error}")
    return complaints


class _TookTooLong(Exception):
    pass


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not _open:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _TookTooLong(f"it took longer than {SECONDS:g} seconds")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)  # again, for the next one
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()

"""A limit on how long an episode may take, for environments that hang; and looking up from steps that take long.

A thread interrupts an episode that computes, sleeps or waits in Python. It cannot interrupt native code
that does not return, and may not even run beside it; then the kernel's alarm kills the process, after a
watchdog outside of Python's reach has written where it hung. Death by a signal is what every MPI notices.
"""

from __future__ import annotations

import faulthandler
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeVar

from mpi_pgpe.parallel.tasks import Poll

T = TypeVar("T")

SECONDS_TO_RETURN = 5.0
"""An episode that is still running so long after its time is stuck in native code."""

SECONDS_OF_A_LONG_STEP = 0.5


class EpisodeTimeout(Exception):
    """An episode took longer than `episode_timeout`."""


class Watch:
    """Runs episodes that may take at most `seconds`; from the main thread alone."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._over = False
        self._deaf = True  # the interruption waits, so that no message between ranks is cut in two
        signal.signal(signal.SIGUSR2, self._interrupt)

    def run(self, episode: Callable[[Poll | None], T], poll: Poll | None) -> T:
        """The result of `episode(poll)`; the poll that it is given is safe from the alarm.

        Raises:
            EpisodeTimeout: the episode was not over in time.
        """

        def safe_poll() -> None:
            assert poll is not None
            self._deaf = True
            try:
                poll()
            finally:
                self._deaf = False
            if self._over:
                raise self._timeout()

        thread = threading.Timer(self.seconds, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR2))
        thread.daemon = True
        self._over, self._deaf = False, False
        before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.dump_traceback_later(self.seconds + 0.9 * SECONDS_TO_RETURN, file=sys.__stderr__ or sys.stderr)
        signal.setitimer(signal.ITIMER_REAL, self.seconds + SECONDS_TO_RETURN)
        try:
            try:
                thread.start()
                return episode(None if poll is None else safe_poll)
            finally:
                self._deaf = True
        finally:  # in any case, even if the interruption came in the line above
            thread.cancel()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()
            thread.join()  # no interruption comes after this

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._over = True
        if not self._deaf:
            raise self._timeout()

    def _timeout(self) -> EpisodeTimeout:
        return EpisodeTimeout(f"the episode took longer than episode_timeout={self.seconds:g} seconds")


class Nudge:
    """Has the main thread call `look` in the middle of a long step, every SECONDS_OF_A_LONG_STEP.

    What `look` raises comes out of the step. A step in native code is not disturbed before it returns.
    For the main thread alone, as a context in which that goes on.

    Attributes:
        since: when the step began, or `look` was called; infinite while no step is under way.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self.since = math.inf
        self._over = threading.Event()
        self._main = threading.get_ident()
        self._thread = threading.Thread(target=self._remind, name="nudge", daemon=True)

    def __enter__(self) -> None:
        # Of a program that does not listen the system ignores this signal, as of one that has just stopped listening.
        self._before = signal.signal(signal.SIGURG, self._interrupt)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        signal.signal(signal.SIGURG, self._before)

    def _remind(self) -> None:
        while not self._over.wait(SECONDS_OF_A_LONG_STEP):
            if time.monotonic() - self.since > SECONDS_OF_A_LONG_STEP:
                signal.pthread_kill(self._main, signal.SIGURG)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.since < math.inf:
            self.since = math.inf
            try:
                self._look()
            finally:
                self.since = time.monotonic()

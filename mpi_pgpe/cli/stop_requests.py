"""Requests to stop: SIGTERM, SIGUSR1, SIGHUP and Ctrl-C, and the end of the time that a job was given."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
_STARTED = time.monotonic()  # when the program was loaded: a job's time runs from its start
_RESERVE = 5.0  # seconds for the last checkpoint, the records and MPI's end
_GENERATIONS = 5  # the margin is learned from so many
_ONE_PRESS = 1.0  # seconds in which the SIGINTs of one Ctrl-C come, from the terminal and from the launcher
# Looked at before MPI is started, because UCX then has a handler of its own for SIGHUP: nohup's must stay.
_IGNORED = {number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN}


class StopRequests:
    """Knows whether the run has been asked to stop, and why.

    Args:
        started: when the time of `max_walltime` began, on time.monotonic's clock.
    """

    def __init__(self, started: float = _STARTED) -> None:
        self._started = started
        self._deadline: float | None = None
        self._finish_generation = False
        self._recent: deque[float] = deque(maxlen=_GENERATIONS)
        self._writing = 0.0
        self._pressed: float | None = None  # when Ctrl-C was first pressed
        self.reason: str | None = None

    def configure(self, max_walltime: float | None, finish_generation: bool) -> None:
        """Say how this run is to stop.

        Args:
            max_walltime: seconds from `started` in which the run has to be over; None: no limit.
            finish_generation: whether a request waits for the end of the running generation.
        """
        self._deadline = None if max_walltime is None else self._started + max_walltime
        self._finish_generation = finish_generation

    @property
    def by_ctrl_c(self) -> bool:
        """Whether Ctrl-C was the first request."""
        return self._pressed is not None and self.reason == _CTRL_C

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Meanwhile take the signals as requests; once one has come, others change nothing."""
        with _handled(self._hear, SIGNALS):
            yield

    @contextmanager
    def listening_to_ctrl_c(self) -> Iterator[None]:
        """Meanwhile Ctrl-C is a request; pressed again, it is a KeyboardInterrupt."""
        with _handled(self._hear_ctrl_c, (signal.SIGINT,)):
            yield

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.reason = self.reason or f"got {signal.Signals(number).name}"

    def _hear_ctrl_c(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._pressed is not None and now > self._pressed + _ONE_PRESS:
            raise KeyboardInterrupt
        self._pressed = self._pressed or now
        self.reason = self.reason or _CTRL_C

    def learn(self, generation_seconds: float, writing_seconds: float) -> None:
        """Take in how long a generation took, and its checkpoint."""
        self._recent.append(generation_seconds)
        self._writing = max(self._writing, writing_seconds)

    def give_up(self) -> bool:
        """Whether to break off the running generation."""
        if self._deadline is not None and time.monotonic() > self._deadline - _RESERVE - 2 * self._writing:
            self.reason = self.reason or "the generation would not be over within max_walltime"
            return True
        return self.reason is not None and not self._finish_generation

    def stop(self) -> bool:
        """Whether not to begin another generation."""
        if self._deadline is not None and self._recent:
            # Half as long again as the longest of the last generations.
            needed = 1.5 * max(self._recent) + 2 * self._writing + _RESERVE
            if time.monotonic() + needed > self._deadline:
                self.reason = self.reason or "another generation would not be over within max_walltime"
        return self.give_up() or self.reason is not None


_CTRL_C = "got SIGINT (Ctrl-C)"


@contextmanager
def _handled(handler: signal._HANDLER, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    before = {}
    for number in numbers:
        ignored = number in _IGNORED or signal.getsignal(number) is signal.SIG_IGN
        handled = signal.signal(number, signal.SIG_IGN if ignored else handler)
        before[number] = signal.SIG_DFL if handled is None else handled  # None: a handler that is not Python's
    try:
        yield
    finally:
        for number, handled in before.items():
            if signal.getsignal(number) is not signal.SIG_IGN or handled is signal.SIG_IGN:
                signal.signal(number, handled)  # else it was ignored meanwhile, to the end


def ignore_to_the_end() -> None:
    """Take no more requests. Python's own handlers would be taken back before the process has ended."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def ignore(numbers: Iterable[signal.Signals] = (signal.SIGINT, *SIGNALS)) -> None:
    """Leave the signals to rank 0, which tells the others what to do; launchers send them to all."""
    for number in numbers:
        # Not SIG_IGN, which programs that an environment starts would inherit: nothing could end them.
        signal.signal(number, lambda *_: None)

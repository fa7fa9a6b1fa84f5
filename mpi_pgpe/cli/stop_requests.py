"""Requests to stop: SIGTERM and SIGUSR1, and the end of the time that a job was given."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75
"""EX_TEMPFAIL: the run was ended in order before it was complete; resume it."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_STARTED = time.monotonic()  # when the program was loaded: a job's time runs from its start
_RESERVE = 5.0  # seconds for the last checkpoint, the records and MPI's end
_GENERATIONS = 5  # the margin is learned from so many


class Interruption:
    """Knows whether the run has been asked to stop, and why.

    Args:
        max_walltime: seconds from the program's start in which the run has to be over; None: no limit.
        finish_generation: whether a request waits for the end of the running generation.
    """

    def __init__(self, max_walltime: float | None, finish_generation: bool) -> None:
        self._deadline = None if max_walltime is None else _STARTED + max_walltime
        self._finish_generation = finish_generation
        self._recent: deque[float] = deque(maxlen=_GENERATIONS)
        self._writing = 0.0
        self.reason: str | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Meanwhile take the signals as requests."""
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.reason = self.reason or f"got {signal.Signals(number).name}"

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


def ignore() -> None:
    """Leave the signals to rank 0, which tells the others what to do; launchers send them to all."""
    for number in (signal.SIGINT, *SIGNALS):
        # Not SIG_IGN, which programs that an environment starts would inherit: nothing could end them.
        signal.signal(number, lambda *_: None)

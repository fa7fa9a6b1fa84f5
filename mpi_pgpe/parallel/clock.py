"""Where the time of a rank goes. Each moment belongs to one phase, so the phases add up to the whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHASES = ("physics", "policy", "waiting", "communication", "update", "recording", "other")
"""What a rank spends time on:

physics: the environment's reset and steps, with what they give; told apart from `policy` only where each call is timed.
policy: the rest of its tasks: noise, policy, normalization, statistics.
waiting: asleep, until another rank has done its part.
communication: sending, receiving, looking for messages.
update: rank 0: all else that a generation takes; other ranks: sums over directions.
recording: rank 0: metrics, agents, checkpoints, what is printed.
other: start-up, making environments.
"""

PHYSICS, POLICY, WAITING, COMMUNICATION, UPDATE, RECORDING, OTHER = range(len(PHASES))


class Clock:
    """The account of one process, from the making of the clock on."""

    def __init__(self) -> None:
        self._seconds = [0.0] * len(PHASES)
        self._phase, self._since = OTHER, time.perf_counter()
        self._interrupted: list[int] = []
        self._during = [_During(self, phase) for phase in range(len(PHASES))]

    def switch(self, phase: int) -> int:
        """Begin a phase; returns the one that it takes the place of."""
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        before, self._phase, self._since = self._phase, phase, now
        return before

    def during(self, phase: int) -> _During:
        """A context in which the phase goes on; then the one before goes on."""
        return self._during[phase]

    def timed(self, phase: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time put down to the phase."""

        def run(*args: Any) -> Any:
            before = self.switch(phase)
            try:
                return function(*args)
            finally:
                self.switch(before)

        return run

    def read(self) -> NDArray[np.float64]:
        """Seconds in each of PHASES so far, shape (len(PHASES),)."""
        self.switch(self._phase)
        return np.array(self._seconds)


class _During:
    """Faster than contextlib's, because it is entered for each look at the messages."""

    __slots__ = ("_clock", "_phase")

    def __init__(self, clock: Clock, phase: int) -> None:
        self._clock, self._phase = clock, phase

    def __enter__(self) -> None:
        self._clock._interrupted.append(self._clock.switch(self._phase))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.switch(self._clock._interrupted.pop())

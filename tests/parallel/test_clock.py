"""Every moment of a rank is put down to one phase."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mpi_pgpe.parallel import clock as clock_module
from mpi_pgpe.parallel.clock import COMMUNICATION, OTHER, PHASES, PHYSICS, POLICY, WAITING, Clock


@pytest.fixture
def clock(monkeypatch):
    """A clock, and a time that passes when told."""

    class Time:
        now = 100.0

        def perf_counter(self):
            return self.now

    monkeypatch.setattr(clock_module, "time", Time())
    clock = Clock()
    clock.passes = lambda seconds: setattr(clock_module.time, "now", clock_module.time.now + seconds)
    return clock


def spent(clock):
    return {name: seconds for name, seconds in zip(PHASES, clock.read().tolist(), strict=True) if seconds}


def test_phases_within_phases_are_not_counted_twice(clock):
    clock.passes(1)
    with clock.during(POLICY):
        clock.passes(2)
        with clock.during(COMMUNICATION):
            clock.passes(4)
            with clock.during(WAITING):
                clock.passes(8)
            clock.passes(16)
        clock.passes(32)
    clock.passes(64)
    assert spent(clock) == {"policy": 34, "communication": 20, "waiting": 8, "other": 65}


def test_what_ends_by_an_exception_ends_its_phases(clock):
    def fail():
        with clock.during(POLICY), clock.during(COMMUNICATION):
            clock.passes(1)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    clock.passes(2)
    assert spent(clock) == {"communication": 1, "other": 2}


def test_timed_function_is_the_function_but_for_the_account(clock):
    def step(action):
        clock.passes(3)
        if action is None:
            raise ValueError("no action")
        return action, 1.0

    timed, action = clock.timed(PHYSICS, step), np.ones(2)
    with clock.during(POLICY):
        found = timed(action)
        assert found[0] is action
        assert found[1] == 1.0
        clock.passes(1)
        with pytest.raises(ValueError, match="no action"):
            timed(None)
        clock.passes(1)
    assert spent(clock) == {"physics": 6, "policy": 2}


def test_phases_add_up_to_the_whole():
    began = time.perf_counter()
    clock = Clock()
    for phase in range(len(PHASES)):
        with clock.during(phase), clock.during(OTHER):
            time.sleep(0.001)
    whole = clock.read().sum()
    assert 0.001 * len(PHASES) < whole <= time.perf_counter() - began

"""When a run stops before it is complete, and when an episode does."""

from __future__ import annotations

import os
import signal
import time

import pytest

from mpi_pgpe.cli import stop_requests
from mpi_pgpe.cli.stop_requests import StopRequests
from mpi_pgpe.parallel.episode_timeout import EpisodeTimeout, Watch


def requests(max_walltime: float | None, finish_generation: bool) -> StopRequests:
    made = StopRequests()
    made.configure(max_walltime, finish_generation)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time since the program was loaded; tests set its only element."""
    now = [0.0]
    monkeypatch.setattr(stop_requests.time, "monotonic", lambda: stop_requests._STARTED + now[0])
    return now


def test_the_margin_is_learned_from_the_last_generations(clock: list[float]) -> None:
    stop = requests(1000, True)
    assert not stop.stop()
    stop.learn(generation_seconds=100, writing_seconds=10)
    clock[0] = 1000 - 5 - 20 - 150 - 1
    assert not stop.stop()
    clock[0] += 2
    assert stop.stop()
    assert stop.reason is not None
    assert "max_walltime" in stop.reason

    stop = requests(1000, True)
    stop.learn(generation_seconds=100, writing_seconds=0)
    for _ in range(5):
        stop.learn(generation_seconds=10, writing_seconds=0)  # the long one is forgotten
    clock[0] = 1000 - 5 - 15 - 1
    assert not stop.stop()


def test_a_generation_that_takes_too_long_is_given_up_even_if_it_should_be_finished(clock: list[float]) -> None:
    stop = requests(1000, True)
    clock[0] = 994
    assert not stop.give_up()
    clock[0] = 996
    assert stop.give_up()


@pytest.mark.parametrize("number", stop_requests.SIGNALS)
@pytest.mark.parametrize("finish", [True, False])
def test_signals_are_requests_while_listening(number: signal.Signals, finish: bool) -> None:
    stop = requests(None, finish)
    before = signal.getsignal(number)
    with stop.listening():
        assert not stop.give_up()
        os.kill(os.getpid(), number)
        assert stop.give_up() is not finish
        assert stop.stop()
        assert stop.reason == f"got {number.name}"
    assert signal.getsignal(number) == before


def test_an_episode_is_stopped_when_its_time_is_over() -> None:
    watch = Watch(0.05)
    with pytest.raises(EpisodeTimeout, match=r"episode_timeout=0\.05"):
        watch.run(lambda poll: time.sleep(100), None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    watch.seconds = 60  # to a machine that stands still for a moment the first limit would be too short
    assert watch.run(lambda poll: 7, None) == 7


def test_a_poll_is_never_cut_in_two() -> None:
    finished = []

    def poll() -> None:
        signal.raise_signal(signal.SIGUSR2)  # as the thread does when the time is over
        finished.append(True)

    def episode(safe_poll: object) -> None:
        assert callable(safe_poll)
        while True:
            safe_poll()

    with pytest.raises(EpisodeTimeout):
        Watch(60).run(episode, poll)
    assert finished == [True]


def test_what_an_episode_raises_comes_through() -> None:
    def episode(poll: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Watch(60).run(episode, None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

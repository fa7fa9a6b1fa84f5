"""Episodes by number are the same in any order and process, and any difference is found."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from places import HELPERS

from mpi_pgpe.agents import Agent, write_agent
from mpi_pgpe.cli.numbered_episodes import NOISES, Cast, Order, Outcome, Stage, find_differences
from mpi_pgpe.cli.other_process import FILLED, OtherProcessFailed, play_all
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

pytestmark = pytest.mark.serial

CAST = Cast("odd_envs:Walk")


@pytest.fixture(autouse=True)
def _odd_envs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HELPERS))
    sys.modules.pop("odd_envs", None)


def outcome(bits: bytes) -> Outcome:
    return Outcome(bits, 0.0, 1)


def test_an_episode_differs_if_it_does_once() -> None:
    a, b = outcome(b"a"), outcome(b"b")
    assert find_differences([{1: a, 2: a, 3: b}, {2: a, 1: a}, {2: b, 1: a}, {4: a}]) == [2]


def test_every_order_plays_its_numbers() -> None:
    stage, numbers = Stage(CAST), range(10)
    forward = stage.play(Order("", numbers))
    assert list(forward) == list(numbers)
    assert len({outcome.bits for outcome in forward.values()}) == 10
    orders = [
        Order("", numbers[::-1], before=[7, 8]),
        Order("", numbers, fresh=True),
        Order("", numbers, beside=True),
        Order("", [3, 1], cut_short=1, raised=2),
    ]
    assert find_differences([forward, *(stage.play(order) for order in orders)]) == []


def test_an_environment_that_leaks_differs_in_each_order_but_the_fresh_one() -> None:
    stage, numbers = Stage(Cast("odd_envs:Leaky")), range(10)
    fresh = stage.play(Order("", numbers, fresh=True))
    assert find_differences([fresh, stage.play(Order("", numbers, fresh=True))]) == []
    assert find_differences([fresh, stage.play(Order("", numbers))]) == list(range(1, 10))
    assert find_differences([fresh, stage.play(Order("", numbers, cut_short=1))]) == list(numbers)
    assert find_differences([fresh, stage.play(Order("", numbers, raised=1))]) == []  # made anew, as training does
    assert find_differences([fresh, stage.play(Order("", numbers), reuse=False)]) == []


def test_an_agent_plays_the_odd_numbers_with_more_and_less_noise(tmp_path: Path) -> None:
    shape = PolicyShape(3, 2, (4,))
    parameters = np.linspace(-1, 1, shape.num_parameters, dtype=np.float32)
    write_agent(tmp_path / "a.pickle", Agent(parameters, shape, ActionSpace(2, *np.float32([[-1, -1], [1, 1]]))))
    stage = Stage(Cast("odd_envs:Walk", agents=(str(tmp_path / "a.pickle"),)))
    numbers = range(2 * len(NOISES))
    random, trained = Stage(CAST).play(Order("", numbers)), stage.play(Order("", numbers))
    assert find_differences([random, trained]) == list(numbers[1::2])


def test_an_agent_of_other_sizes_is_refused(tmp_path: Path) -> None:
    shape = PolicyShape(5, 2)
    agent = Agent(np.zeros(shape.num_parameters, np.float32), shape, ActionSpace(2))
    write_agent(tmp_path / "a.pickle", agent)
    with pytest.raises(ValueError, match="expected an agent for 3 observations and 2 actions"):
        Stage(Cast("odd_envs:Walk", agents=(str(tmp_path / "a.pickle"),))).play(Order("", [1]))


@pytest.mark.launches
def test_another_process_plays_the_same_episodes() -> None:
    orders = [Order("", [5, 4, 0]), Order("", [4], fresh=True)]
    result = play_all(CAST, orders, FILLED)
    assert "gym" in result.origin
    assert [list(outcomes) for outcomes in result.plays] == [[5, 4, 0], [4]]
    assert find_differences([Stage(CAST).play(Order("", range(6))), *result.plays]) == []


@pytest.mark.launches
def test_what_fails_in_another_process_is_said() -> None:
    with pytest.raises(OtherProcessFailed, match="the leg came off"):
        play_all(Cast("odd_envs:Failing", {"every": 1}), [Order("", [0])], FILLED)

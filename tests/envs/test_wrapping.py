"""Wrappers that are named in a setting: which they are, in which order they stand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import some_wrappers

from mpi_pgpe import envs
from mpi_pgpe.cli.numbered_episodes import Cast, Stage
from mpi_pgpe.envs.given import give_name
from mpi_pgpe.envs.layers import innermost

PENDULUM = "gymnasium/Pendulum-v1"


def kinds(env: Any) -> list[str]:
    """The layers of an environment, the outermost first."""
    layers = [env._env]
    while "env" in vars(layers[-1]):
        layers.append(layers[-1].env)
    return [type(layer).__name__ for layer in layers]


def test_the_innermost_stands_first_and_has_its_arguments() -> None:
    wrappers = [
        "some_wrappers:Halved",
        {"by": 4.0},
        "FrameStackObservation",
        {"stack_size": 3},
        "ClipReward",
        {"min_reward": -1.0},
    ]
    plain, wrapped = envs.make(PENDULUM, {}), envs.make(PENDULUM, {}, wrappers=wrappers)
    assert kinds(wrapped)[:3] == ["ClipReward", "FrameStackObservation", "Halved"]
    assert (plain.observation_size, wrapped.observation_size) == (3, 9)
    first, stacked = plain.reset(5), wrapped.reset(5)
    np.testing.assert_array_equal(stacked[-3:], np.float32(first / 4))
    action = np.array([2.0], np.float32)
    (second, reward, *_), (stacked, clipped, *_) = plain.step(action), wrapped.step(action)
    np.testing.assert_array_equal(stacked[-6:], np.float32(np.concatenate([first, second]) / 4))
    assert clipped == max(reward, -1.0)


def test_wrappers_see_the_environment_as_its_library_makes_it() -> None:
    """With its time limit inside: what repeats actions does so within it."""
    wrapped = envs.make(PENDULUM, {}, wrappers=["RepeatAction", {"num_repeats": 50}])
    assert "TimeLimit" in kinds(wrapped)
    wrapped.reset(0)
    ends = [wrapped.step(np.zeros(1, np.float32))[3] for _ in range(4)]
    assert ends == [False, False, False, True]
    outside = envs.make(PENDULUM, {}, wrappers=["TimeLimit", {"max_episode_steps": 7}])
    assert outside.time_limit == 7


@pytest.mark.parametrize(
    ("env", "wrapper", "config"),
    [
        ("gym/Pendulum-v1", "FrameStack", {"num_stack": 2}),
        ("families:GymWanderer", "FrameStack", {"num_stack": 2}),
        ("families:OldWanderer", "FrameStack", {"num_stack": 2}),  # of the API before gym 0.26
        ("families:Wanderer", "FrameStackObservation", {"stack_size": 2}),
    ],
)
def test_the_library_of_the_environment_gives_the_wrapper(env: str, wrapper: str, config: dict[str, Any]) -> None:
    plain = envs.make(env, {})
    plain.reset(3)  # a space of its class has a generator of ours then, which the wrapper's space gets
    wrapped = envs.make(env, {}, wrappers=[wrapper, config])
    envs.check_wrappers(env, [wrapper, config])
    assert type(wrapped._env).__name__ == wrapper
    assert wrapped.observation_size == 2 * plain.observation_size
    plain.reset(3), wrapped.reset(3)
    action = np.full(1, 0.25, np.float32)
    for _ in range(3):
        expected, got = plain.step(action), wrapped.step(action)
        np.testing.assert_array_equal(got[0][-plain.observation_size :], np.float32(expected[0]))
        assert got[1:4] == tuple(expected[1:4])


def test_a_class_that_a_program_gives_is_known_by_its_name() -> None:
    class Doubled(some_wrappers.Halved):
        pass

    assert "Doubled" in kinds(envs.make(PENDULUM, {}, wrappers=[give_name(Doubled), {"by": 0.5}]))


def test_made_anew_it_is_wrapped_again() -> None:
    wrapped = envs.make(PENDULUM, {}, wrappers=["some_wrappers:Halved"])
    before = wrapped._env
    wrapped.remake()
    assert wrapped._env is not before
    assert kinds(wrapped)[0] == "Halved"


@pytest.mark.parametrize(
    ("env", "wrapper", "said"),
    [
        (
            PENDULUM,
            "FrameStackObservatio",
            "expected one of gymnasium.wrappers, or module:name .*did you mean FrameStackObs",
        ),
        (PENDULUM, "FrameStack", "did you mean FrameStackObservation"),
        ("gym/Pendulum-v1", "FrameStackObservation", "expected one of gym.wrappers, .*did you mean FrameStack"),
        (PENDULUM, "vector", "expected one of gymnasium.wrappers"),
        (
            PENDULUM,
            "NormalizeObservation",
            "keeps statistics from one episode to the next.* leave it out: obs_norm=True",
        ),
        (PENDULUM, "NormalizeReward", "keeps statistics.* solutions are ranked"),
        ("gym/Pendulum-v1", "NormalizeReward", "keeps statistics.* solutions are ranked"),
        ("families:Wanderer", "NormalizeObservation", "keeps statistics"),
        (PENDULUM, "some_wrappers:OwnNormalization", "'some_wrappers:OwnNormalization' keeps statistics"),
        (PENDULUM, "RecordVideo", "draws in every episode; leave it out: enjoy shows"),
        (PENDULUM, "Autoreset", "resets where an episode ends"),
        (PENDULUM, "nowhere_at_all:Wrapper", "wrapper 'nowhere_at_all:Wrapper': .*is it on PYTHONPATH"),
        (PENDULUM, "some_wrappers:Missing", "module 'some_wrappers' has no class or function 'Missing'"),
        (PENDULUM, "__main__:Own", "stood in the script or notebook that trained with it"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_made(env: str, wrapper: str, said: str) -> None:
    with pytest.raises(envs.UnknownEnvironment, match=said):
        envs.check_wrappers(env, [wrapper])
    with pytest.raises(envs.UnknownEnvironment, match=said):
        envs.make(env, {}, wrappers=[wrapper])


@pytest.mark.parametrize(
    ("wrappers", "said"),
    [
        (
            ["FrameStackObservation", {"frames": 2}],
            "wrapped in FrameStackObservation with the arguments {'frames': 2}: .*frames",
        ),
        (["FrameStackObservation", {"stack_size": -2}], "wrapped in FrameStackObservation .*-2"),
        (
            ["some_wrappers:breaks"],
            r"wrapped in some_wrappers:breaks .*the wrapper came off \(.*some_wrappers.py:\d+\)",
        ),
        (["some_wrappers:nothing"], "expected an environment from it, got None"),
        (["AtariPreprocessing"], "AtariPreprocessing"),
    ],
)
def test_a_wrapper_that_refuses_is_told(wrappers: list[Any], said: str) -> None:
    with pytest.raises((envs.UnsupportedEnvironment, envs.UnknownEnvironment), match=said):
        envs.make(PENDULUM, {}, wrappers=wrappers)


def test_what_a_wrapper_keeps_is_named() -> None:
    def kept(wrappers: list[Any]) -> list[str]:
        return Stage(Cast(PENDULUM, longest=20, wrappers=wrappers)).kept()

    assert kept(["some_wrappers:Counts"]) == ["Counts.total"]
    assert kept(["StickyAction", {"repeat_action_probability": 0.3}, "FrameStackObservation", {"stack_size": 3}]) == []


def test_the_inner_environment_stays_patched() -> None:
    """What is put right in simulators is put right behind wrappers."""
    wrapped = envs.make("gym/LunarLanderContinuous-v2", {}, wrappers=["ClipAction"])
    assert innermost(wrapped._env)._create_particle.__name__ == "<lambda>"

"""The fast path for pybullet_envs' walkers has the bits of pybullet_envs, whatever the walkers do."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from runs import outcome, train

from mpi_pgpe import envs
from mpi_pgpe.envs import fast_bullet
from mpi_pgpe.envs.registry import path_in_order
from mpi_pgpe.envs.verified_versions import find_distribution
from mpi_pgpe.training.job import TRAINING

pytest.importorskip("pybullet")
pytestmark = pytest.mark.serial

HUMANOID = "HumanoidBulletEnv-v0"
TINY_TRAJ = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
WALKERS = {
    HUMANOID: "Humanoid",
    TINY_TRAJ: "Humanoid",
    "AntBulletEnv-v0": "Ant",
    "HopperBulletEnv-v0": "Hopper",
    "Walker2DBulletEnv-v0": "Walker2D",
    "HalfCheetahBulletEnv-v0": "HalfCheetah",
}
"""Environments, and whose trained policy among pybullet_envs' examples is theirs."""

Act = Callable[[np.ndarray], np.ndarray]


def random_actions(name: str, n_actions: int, seed: int) -> Act:
    """Noise around a random posture, beyond the actions' bounds too."""
    rng = np.random.default_rng(seed)
    posture, scale = rng.uniform(-1, 1, n_actions), rng.choice([0.1, 0.4, 2.0])
    return lambda _: (posture + scale * rng.standard_normal(n_actions)).astype(np.float32)


def standing(name: str, n_actions: int, seed: int) -> Act:
    """Torques that hold the joints where the episode began."""
    held: list[np.ndarray] = []

    def act(x: np.ndarray) -> np.ndarray:
        angles, speeds = x[8 : 8 + 2 * n_actions : 2], x[9 : 9 + 2 * n_actions : 2]
        held.append(angles)
        return np.clip(5 * (held[0] - angles) - speeds, -1, 1)

    return act


def trained(name: str, n_actions: int, seed: int) -> Act:
    """The runner that comes with pybullet_envs, and a little noise in half of the episodes."""
    with path_in_order():  # else other processes find what lies beside pybullet_envs first, another numpy it may be
        example = importlib.import_module(f"pybullet_envs.examples.enjoy_TF_{WALKERS[name]}BulletEnv_v0_2017may")
    policy = example.SmallReactivePolicy.__new__(example.SmallReactivePolicy)
    rng, noise = np.random.default_rng(seed), 0.1 * (seed % 2)
    return lambda x: policy.act(x.copy()) + noise * rng.standard_normal(n_actions)  # act changes its argument


BEHAVIOURS = [random_actions, standing, trained]


def pair(name: str) -> tuple[Any, Any]:
    """The environment as it is, and on the fast path."""
    plain, fast = envs.make(name, {}, fast=False), envs.make(name, {})
    assert "step" not in vars(plain._env)
    assert "step" in vars(fast._env)
    return plain, fast


def left_for_others(env: Any) -> list[Any]:
    """What pybullet_envs' objects show after a step, as bytes and numbers."""
    inner, robot = env._env, env._env.robot
    arrays = [robot.joint_speeds, robot.feet_contact, robot.body_xyz, robot.body_real_xyz, robot.body_rpy]
    numbers = [robot.joints_at_limit, robot.walk_target_dist, robot.walk_target_theta, robot.initial_z]
    return [np.asarray(a).tobytes() for a in arrays] + numbers + [inner.reward, inner.potential, inner.rewards]


def assert_same_episode(plain: Any, fast: Any, act: Act, seed: int, most_steps: int) -> int:
    """Run both environments in step, comparing all that they give; returns the number of steps."""
    observation, other = plain.reset(seed), fast.reset(seed)
    assert (observation.tobytes(), observation.dtype) == (other.tobytes(), other.dtype)
    for step in range(1, most_steps + 1):
        action = act(observation)
        observation, reward, terminated, truncated, _ = plain.step(action)
        other, *rest, _ = fast.step(action)
        assert (observation.tobytes(), observation.dtype) == (other.tobytes(), other.dtype), f"step {step}"
        assert [reward, terminated, truncated] == rest, f"step {step}"
        assert type(reward) is type(rest[0])
        assert left_for_others(plain) == left_for_others(fast), f"step {step}"
        if terminated:
            break
    return step


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda b: b.__name__)
@pytest.mark.parametrize("name", WALKERS)
def test_same_bits(name: str, behaviour: Callable[..., Act]) -> None:
    plain, fast = pair(name)
    for seed in range(3):
        assert_same_episode(plain, fast, behaviour(name, plain.action_space.size, seed), seed, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", WALKERS)
def test_same_bits_over_200_episodes(name: str) -> None:
    """To their ends."""
    plain, fast = pair(name)
    for behaviour, episodes in zip(BEHAVIOURS, (80, 40, 80), strict=True):
        steps = [
            assert_same_episode(
                plain, fast, behaviour(name, plain.action_space.size, seed), 1000 + seed, plain.time_limit
            )
            for seed in range(episodes)
        ]
        print(f"{name}, {behaviour.__name__}: {len(steps)} episodes, {sum(steps)} steps")


def test_actions_in_float64() -> None:
    plain, fast = pair("AntBulletEnv-v0")
    rng = np.random.default_rng(0)
    assert_same_episode(plain, fast, lambda _: rng.uniform(-1, 1, 8), 3, 50)


def test_an_action_that_is_not_finite_is_refused() -> None:
    for env in pair("HopperBulletEnv-v0"):
        env.reset(0)
        with pytest.raises(AssertionError):
            env.step(np.array([0.0, np.nan, 0.0], np.float32))


@pytest.mark.parametrize("name", ["HopperBulletEnv-v0", TINY_TRAJ])
def test_same_end_when_the_simulation_breaks_down(name: str) -> None:
    """Also of a walker that is alive as far as it can tell."""
    found = []
    for env in pair(name):
        env.reset(0)
        env._env.robot.alive_bonus = lambda z, pitch: 1
        steps = []
        for speed in (0.0, np.nan, 0.0):
            env._env.ordered_joints[0].reset_position(0.1, speed)
            observation, reward, terminated, *_ = env.step(np.full(env.action_space.size, 0.1, np.float32))
            steps.append((observation.tobytes(), np.float64(reward).tobytes(), terminated))
        assert [terminated for *_, terminated in steps] == [False, True, True]
        found.append(steps)
    assert found[0] == found[1]


def test_same_after_remaking() -> None:
    plain, fast = pair("HopperBulletEnv-v0")
    plain.remake()
    fast.remake()
    assert "step" in vars(fast._env)
    assert_same_episode(plain, fast, random_actions("", 3, 1), 1, 50)


def test_other_versions_run_as_they_are_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fast_bullet.VERIFIED, "pybullet", {"3.2.6"})
    here = " ".join(find_distribution("pybullet"))  # a fork for some Pythons
    with pytest.warns(UserWarning, match=rf"verified for pybullet 3\.2\.6 .* here are {re.escape(here)} and numpy "):
        env = envs.make("HopperBulletEnv-v0", {})
    assert "step" not in vars(env._env)
    plain = envs.make("HopperBulletEnv-v0", {}, fast=False)
    assert plain.reset(3).tobytes() == env.reset(3).tobytes()


def test_no_warning_where_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fast_bullet.VERIFIED, "pybullet", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs.make("HopperBulletEnv-v0", {}, fast=False)
        envs.make("InvertedPendulumBulletEnv-v0", {})


def test_a_class_of_ones_own_and_a_window_are_left_alone() -> None:
    with path_in_order():
        from pybullet_envs.gym_locomotion_envs import HopperBulletEnv

    class Mine(HopperBulletEnv):
        pass

    own, window = Mine(), HopperBulletEnv()
    for env in own, window:
        env.reset()
        env.isRender = env is window
        assert fast_bullet.use_fast_path(env) is None
        assert "step" not in vars(env)
        env.close()


def test_the_setting_decides_and_changes_no_result() -> None:
    results = []
    for fast in (True, False):
        trained = train({"env_name": "HopperBulletEnv-v0", "env_fast": fast, "niters": 1, "popsize": 4})
        assert trained is not None
        assert ("step" in vars(trained[0].team.environment(TRAINING)._env)) is fast
        results.append(outcome(*trained))
    assert results[0] == results[1]

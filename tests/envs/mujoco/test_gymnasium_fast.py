"""The fast paths for MuJoCo's tasks have the bits of gymnasium (of gym for its v2 and v4), whatever the robots do."""

from __future__ import annotations

import collections
import gc
import struct
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import pytest
from families import needs_mujoco_py, random_policy
from fast_mujoco_tasks import (
    HERE,
    Act,
    assert_same_episode,
    assert_same_in_stretches,
    needs_proved_versions,
    pair,
    random_actions,
    standing,
    trained,
)
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

from mpi_pgpe import envs
from mpi_pgpe.cli import episode_leaks, numbered_episodes
from mpi_pgpe.envs.mujoco import gymnasium_fast
from mpi_pgpe.envs.mujoco import step as mujoco_step
from mpi_pgpe.training import rollout
from mpi_pgpe.training.rollout import Rollout

pytestmark = [pytest.mark.serial, needs_proved_versions]

TASKS = [
    f"{library}/{task}-{version}"
    for task in ("Humanoid", "Walker2d", "HalfCheetah", "Hopper", "Ant", "Swimmer")
    for library, version in (("gym", "v2"), ("gym", "v4"), ("gymnasium", "v4"), ("gymnasium", "v5"))
]
IN_OLD_MUJOCO_ALONE = {"gym/Walker2d-v4", "gym/Hopper-v4", "gym/Swimmer-v4"}


def task(name: str) -> Any:
    """The task as a parameter of a test, left out where it cannot be had."""
    old_alone = name in IN_OLD_MUJOCO_ALONE and HERE["mujoco"] > "2.3.3"
    marks = [pytest.mark.skipif(old_alone, reason="MuJoCo reads its model up to 2.3.3")]
    return pytest.param(name, marks=[*marks, needs_mujoco_py] if name.endswith("-v2") else marks)


every_task = pytest.mark.parametrize("name", [task(name) for name in TASKS])


@every_task
@pytest.mark.parametrize("behaviour", [random_actions, standing], ids=lambda b: b.__name__)
def test_same_bits(name: str, behaviour: Callable[..., Act]) -> None:
    plain, fast = pair(name)
    for seed in range(3):
        assert_same_episode(plain, fast, behaviour(plain, seed), seed, 80)


@pytest.mark.parametrize(
    "name", list(map(task, ["HalfCheetah-v5", "Walker2d-v5", "gym/HalfCheetah-v2", "gym/Walker2d-v2"]))
)
def test_same_bits_of_a_trained_agent(name: str) -> None:
    plain, fast = pair(name)
    for seed in range(2):
        assert_same_episode(plain, fast, trained(plain, seed), seed, 200)


@every_task
def test_same_bits_in_stretches(name: str) -> None:
    plain, fast = pair(name)
    for seed, lengths in enumerate(([1, 2, 60], [17, 1, 9, 50], [1000])):
        assert_same_in_stretches(plain, fast, random_actions(plain, seed), seed, lengths)
    assert_same_episode(plain, fast, random_actions(plain, 0), 0, 20)


@every_task
@pytest.mark.parametrize("rows", [7, 1000])
def test_same_episodes(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As training plays them, in blocks of so many steps: to their ends or a limit, and after one was given up."""
    monkeypatch.setattr(rollout, "_ROWS", rows)
    plain_and_fast = pair(name)

    def stop() -> None:
        raise InterruptedError

    for limit in (1, 7, 30):
        found = []
        for env in plain_and_fast:
            policy, player = random_policy(env), Rollout(env, limit)
            with pytest.raises(InterruptedError):
                player.run(policy, 9, between_steps=stop)
            for seed in range(2):
                episode = player.run(policy, seed, collect_moments=True)
                assert episode.moments is not None
                sums = episode.moments.sum.tobytes(), episode.moments.sumsq.tobytes()
                found.append((struct.pack("d", episode.total_reward), episode.steps, episode.truncated, *sums))
        assert found[:2] == found[2:]


def test_all_that_an_episode_calls_of_the_environment_is_timed() -> None:
    env, calls = envs.make("HalfCheetah-v5", {}), collections.Counter[Any]()
    assert env.stretch is not None
    player = Rollout(env, 20)
    player.timed = lambda function: lambda *arguments: (calls.update([function]), function(*arguments))[1]
    player.run(random_policy(env), 0)
    _, step, observe, settle = env.stretch
    assert calls == {env.reset: 1, step: 20, observe: 20, settle: 1}


def test_the_measure_of_leaks_has_episodes_of_it_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = []

    class CutShort(numbered_episodes._CutShort):
        def __init__(self) -> None:
            raised.append(self)

    monkeypatch.setattr(numbered_episodes, "_CutShort", CutShort)
    differ = [str(found) for found in episode_leaks.measure("Hopper-v5", {}, episodes=1) if found.different]
    assert differ == []
    assert len(raised) == 2  # between two steps, and in one


@pytest.mark.slow
@every_task
def test_same_bits_over_200_episodes(name: str) -> None:
    """To their ends."""
    plain, fast = pair(name)
    for behaviour, episodes in ((random_actions, 80), (standing, 40), (trained, 80)):
        steps = [
            assert_same_episode(plain, fast, behaviour(plain, seed), 1000 + seed, plain.time_limit)
            for seed in range(episodes)
        ]
        print(f"{name}, {behaviour.__name__}: {len(steps)} episodes, {sum(steps)} steps")


@pytest.mark.parametrize(
    "name", list(map(task, ["Humanoid-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5", "gym/Hopper-v2"]))
)
def test_observations_are_not_written_to_again(name: str) -> None:
    _, fast = pair(name)
    fast.reset(0)
    action = np.full(fast.action_space.size, 0.1, np.float32)
    first = fast.step(action)[0]
    before = first.copy()
    fast.step(action)
    assert (first == before).all()


def test_an_action_of_another_shape_is_refused() -> None:
    for env in pair("Hopper-v5"):
        env.reset(0)
        with pytest.raises(ValueError, match=r"(?i)action"):
            env.step(np.zeros(1, np.float32))


def test_same_after_remaking() -> None:
    plain, fast = pair("Hopper-v5")
    plain.remake()
    fast.remake()
    assert "step" in vars(fast._env)
    assert_same_episode(plain, fast, random_actions(plain, 1), 1, 50)


@pytest.mark.parametrize("package", ["gymnasium", "mujoco"])
def test_other_versions_run_as_they_are_with_a_warning(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gymnasium_fast.VERIFIED, package, {"1.2.3"})
    with pytest.warns(
        UserWarning, match=rf"HopperEnv is verified for .*{package} 1\.2\.3.* here are .*mujoco {mujoco.__version__}"
    ):
        env = envs.make("Hopper-v5", {})
    assert "step" not in vars(env._env)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.remake()  # as after each episode with env_reuse=False: that has been said
        plain = envs.make("Hopper-v5", {}, fast=False)
        envs.make("gymnasium/Reacher-v5", {})
    assert plain.reset(3).tobytes() == env.reset(3).tobytes()


def test_under_a_wrapper_which_may_read_info_it_is_left_alone() -> None:
    env = envs.make("fast_mujoco_tasks:clipped_hopper", {})
    env.reset(0)
    assert "x_velocity" in env.step(np.zeros(3, np.float32))[-1]


def test_a_class_of_ones_own_and_what_renders_are_left_alone() -> None:
    """Rendering computes positions anew between two steps; gym's rewards then have other bits."""

    class Mine(HopperEnv):
        pass

    window, film = HopperEnv(), HopperEnv()
    window.render_mode, film.render_mode = "human", "rgb_array"
    for env in Mine(), window, film:
        assert gymnasium_fast.use_fast_path(env) is None
        assert "step" not in vars(env)


@every_task
def test_the_simulator_is_freed_with_its_environment(name: str) -> None:
    """Without waiting for Python's collector, which does not see how much memory MuJoCo holds."""
    env = envs.make(name, {})
    env.reset(0)
    env.step(np.zeros(env.action_space.size, np.float32))
    inner = weakref.ref(env._env)
    gc.collect()
    gc.disable()
    try:
        env.remake()
        assert inner() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", list(map(task, ["Humanoid-v5", "Walker2d-v5", "gym/Humanoid-v2", "gym/Walker2d-v2"])))
def test_same_bits_after_a_state_was_set(name: str) -> None:
    plain, fast = pair(name)
    plain.reset(0), fast.reset(0)
    qpos, qvel = plain._env.data.qpos.copy(), plain._env.data.qvel.copy()
    action = np.full(plain.action_space.size, 0.3, np.float32)
    for turn in range(12):
        if turn % 5 == 4:
            plain._env.set_state(qpos, qvel), fast._env.set_state(qpos, qvel)
        assert struct.pack("d", plain.step(action)[1]) == struct.pack("d", fast.step(action)[1])


@pytest.mark.parametrize("name", list(map(task, ["gym/Humanoid-v2", "gym/Ant-v2"])))
def test_contact_forces_count_in_v2_if_there_are_any(name: str) -> None:
    """mujoco-py computes none; what is written in their place stays."""
    plain, fast = pair(name)
    plain.reset(0), fast.reset(0)
    rng, rewards, actions, records = np.random.default_rng(0), [], [], np.empty((20, fast.stretch.record_size))
    for scale, record in zip(np.geomspace(0.1, 1000, 20), records, strict=True):
        action = rng.uniform(-0.4, 0.4, plain.action_space.size).astype(np.float32)
        plain._env.data.cfrc_ext[:] = fast._env.data.cfrc_ext[:] = rng.normal(0, scale, (plain._env.model.nbody, 6))
        rewards.append(plain.step(action)[1])
        actions.append(action)
        fast.stretch.step(action, record)
    assert plain._env.data.cfrc_ext.any()
    assert np.array(rewards).tobytes() == np.array(fast.stretch.settle(records, np.array(actions))).tobytes()


@pytest.mark.parametrize("numpy_fuses", [False, True])
def test_the_center_of_mass_is_what_numpy_makes_of_it_on_this_processor(numpy_fuses: bool) -> None:
    """A processor that fuses multiplication and addition is played here by another rounding."""
    rng = np.random.default_rng(3)
    masses, places = rng.uniform(1, 5, 14), rng.normal(size=(14, 3))
    before = places.copy()

    def moment() -> float:
        exact = sum(np.longdouble(mass) * np.longdouble(x) for mass, x in zip(masses, places[:, 0], strict=True))
        return float(exact) if numpy_fuses else np.einsum("b,bj->j", masses, places).item(0)

    place, where, update = mujoco_step.center_of_mass_x(masses, places[:, 0], moment)
    assert (places == before).all()
    assert (update is not None) == numpy_fuses
    records, expected = [], []
    for _ in range(50):
        places[:] = rng.normal(size=places.shape)
        mujoco_step.run_before(update, lambda _: records.append(place.copy()))(None)
        expected.append(moment() / masses.sum())
        assert where(np.array(records[-1:])) == expected[-1:]
    assert where(np.array(records)).tolist() == expected

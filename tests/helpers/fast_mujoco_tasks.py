"""MuJoCo's tasks as they are and on their fast path, side by side."""

from __future__ import annotations

import functools
import importlib.metadata
import struct
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from mpi_pgpe import envs
from mpi_pgpe.envs.mujoco import gymnasium_fast
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.training.rollout import Rollout

Act = Callable[[np.ndarray], np.ndarray]

HERE = {package: importlib.metadata.version(package) for package in ("gym", "gymnasium", "mujoco")}
needs_proved_versions = pytest.mark.skipif(
    any(version not in gymnasium_fast.VERIFIED[package] for package, version in HERE.items()),
    reason=f"with {HERE} the environments run as they are",
)


def random_actions(env: Any, seed: int) -> Act:
    """Noise around a random posture, beyond the actions' bounds too."""
    rng, size = np.random.default_rng(seed), env.action_space.size
    posture, scale = rng.uniform(-0.4, 0.4, size), rng.choice([0.05, 0.3, 1.0])
    return lambda _: (posture + scale * rng.standard_normal(size)).astype(np.float32)


def standing(env: Any, seed: int) -> Act:
    """Torques that hold the joints where the episode began."""
    model, data = env._env.model, env._env.data
    joints = model.actuator_trnid[:, 0]
    angles, speeds = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
    held: list[np.ndarray] = []

    def act(_: np.ndarray) -> np.ndarray:
        held.append(data.qpos[angles].copy())
        return np.clip(2 * (held[0] - held[-1]) - 0.1 * data.qvel[speeds], -1, 1).astype(np.float32)

    return act


def trained(env: Any, seed: int) -> Act:
    """A linear policy after a few generations of PGPE, and a little noise in half of the episodes."""
    policy = Policy(PolicyShape(env.observation_size, env.action_space.size), env.action_space)
    policy.load(_center(env.name))
    rng, noise, size = np.random.default_rng(seed), 0.1 * (seed % 2), env.action_space.size
    return lambda x: (policy.act(np.append(x, 1).astype(np.float32)) + noise * rng.standard_normal(size)).astype("f")


@functools.cache
def _center(name: str) -> np.ndarray:
    env = envs.make(name, {})
    shape = PolicyShape(env.observation_size, env.action_space.size)
    policy, rollout = Policy(shape, env.action_space), Rollout(env, 200)
    search = PGPE(solution_length=shape.num_parameters, popsize=20, stdev_init=0.02, seed=1)
    for generation in range(10):
        fitnesses = []
        for solution in search.ask():
            policy.load(solution)
            fitnesses.append(rollout.run(policy, generation).total_reward)
        search.tell(fitnesses)
    return search.center.astype(np.float32)


def pair(name: str, config: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """The environment as it is, and on the fast path."""
    plain, fast = envs.make(name, config or {}, fast=False), envs.make(name, config or {})
    assert "step" not in vars(plain._env)
    assert "step" in vars(fast._env)
    return plain, fast


def state(env: Any) -> list[bytes]:
    """All that the simulator's next step depends on."""
    data = env._env.data
    arrays = data.qpos, data.qvel, data.act, data.qacc_warmstart, data.ctrl, data.xfrc_applied, data.qfrc_applied
    return [array.tobytes() for array in arrays if array is not None] + [struct.pack("d", data.time)]


def assert_same_episode(plain: Any, fast: Any, act: Act, seed: int, most_steps: int) -> int:
    """Run both environments in step, comparing all that they give; returns the number of steps."""
    observation, other = plain.reset(seed), fast.reset(seed)
    assert (observation.tobytes(), observation.dtype) == (other.tobytes(), other.dtype)
    assert state(plain) == state(fast)
    for step in range(1, most_steps + 1):
        action = act(observation)
        observation, reward, terminated, truncated, _ = plain.step(action)
        other, *rest, _ = fast.step(action)
        assert (observation.tobytes(), observation.dtype) == (other.tobytes(), other.dtype), f"step {step}"
        assert struct.pack("d", reward) == struct.pack("d", rest[0]), f"step {step}"
        assert [terminated, truncated] == rest[1:], f"step {step}"
        assert state(plain) == state(fast), f"step {step}"
        if terminated:
            break
    return step


def assert_same_in_stretches(plain: Any, fast: Any, act: Act, seed: int, lengths: list[int]) -> None:
    """The same for `stretch`, whose rewards are settled after so many steps, and once more at the episode's end."""
    observation = plain.reset(seed)
    assert observation.tobytes() == fast.reset(seed).tobytes()
    precise, rounded = np.empty(plain.observation_size), np.empty(plain.observation_size, np.float32)
    for length in lengths:
        rewards, actions = [], []
        records = np.full((length, fast.stretch.record_size), np.nan)
        for record in records:
            actions.append(act(observation))
            observation, reward, terminated, truncated, _ = plain.step(actions[-1])
            assert (fast.stretch.step(actions[-1], record), False) == (terminated, truncated)
            assert state(plain) == state(fast)
            fast.stretch.observe(precise), fast.stretch.observe(rounded)
            assert observation.tobytes() == precise.tobytes()
            assert observation.astype(np.float32).tobytes() == rounded.tobytes()
            rewards.append(float(reward))
            if terminated:
                break
        settled = fast.stretch.settle(records[: len(rewards)], np.array(actions))
        assert np.array(rewards).tobytes() == np.array(settled).tobytes()
        assert all(type(reward) is float for reward in settled)
        if terminated:
            break


def clipped_hopper() -> Any:
    """A task under a wrapper that may read `info`, as users name one: module:function."""
    return gymnasium.wrappers.ClipReward(gymnasium.make("Hopper-v5"), -1.0, 1.0)

"""One contract, held by the environments of every family."""

from __future__ import annotations

import gc
import os
import weakref

import gym
import gymnasium
import numpy as np
import pytest
from families import FAMILIES, cases

from mpi_pgpe import envs
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.training.rollout import Rollout

pytestmark = pytest.mark.serial

STEPS = 40
SEEDS = (3, 4)


def make(family, **config):
    return envs.make(family.env, family.config | config)


def action(space, rng):
    if space.discrete:
        return int(rng.integers(space.size)) + space.start
    return rng.uniform(np.maximum(space.low, -1), np.minimum(space.high, 1)).astype(np.float32)


def episode(env, seed, steps=STEPS):
    """(observations and rewards as bytes, ends) of an episode of random actions."""
    rng = np.random.default_rng(seed)
    records, ends = [np.asarray(env.reset(seed), np.float32).tobytes()], []
    while len(ends) < steps and not any(ends[-1:] and ends[-1]):
        observation, reward, terminated, truncated, _ = env.step(action(env.action_space, rng))
        records.append((np.asarray(observation, np.float32).tobytes(), np.float64(reward).tobytes()))
        ends.append((bool(terminated), bool(truncated)))
    return records, ends


def registered_limit(family):
    """max_episode_steps of the family's environment, as its library has it."""
    name = family.env.removeprefix("gym/").removeprefix("gymnasium/").rpartition(":")[2]
    library = gymnasium if family.env.startswith("gymnasium/") else gym
    spec = library.envs.registration.registry.get(name)
    return None if spec is None else spec.max_episode_steps


@pytest.mark.parametrize("family", cases(FAMILIES))
class TestContract:
    def test_spaces_and_types(self, family):
        env = make(family)
        space = env.action_space
        if not space.discrete:
            for bound in (space.low, space.high):
                assert (bound.dtype, bound.shape) == (np.float32, (space.size,))
            assert (space.low < space.high).all()
        observation = env.reset(0)
        for _ in range(3):
            assert np.shape(observation) == (env.observation_size,)
            assert np.isfinite(observation).all()
            observation, reward, terminated, truncated, _ = env.step(action(space, np.random.default_rng(0)))
            assert np.isfinite(float(reward))
            assert (terminated, truncated) == (False, False)
        assert env.time_limit == registered_limit(family)
        assert env.origin or family.name == "user-class"
        env.close()

    def test_an_episode_depends_on_its_seed_and_actions_alone(self, family):
        fresh = {seed: episode(make(family), seed) for seed in SEEDS}
        assert fresh[SEEDS[0]] != fresh[SEEDS[1]], "two seeds give one episode: nothing is compared"
        assert episode(make(family), SEEDS[0]) == fresh[SEEDS[0]]  # reproduced
        used = make(family)
        for seed in (SEEDS[1], SEEDS[0], SEEDS[0]):  # after another one, after the same
            assert episode(used, seed) == fresh[seed]
        episode(used, 5, steps=3)  # cut short
        assert episode(used, SEEDS[0]) == fresh[SEEDS[0]]
        used.reset(6)
        with pytest.raises(Exception, match=r".+"):  # each says it in its own way
            used.step("no action")
        assert episode(used, SEEDS[0]) == fresh[SEEDS[0]]
        used.remake()
        assert episode(used, SEEDS[0]) == fresh[SEEDS[0]]
        used.close()

    def test_nothing_holds_on_to_it_when_it_is_closed(self, family):
        env = make(family)
        env.reset(0)
        inner = weakref.ref(env._env.unwrapped if hasattr(env._env, "unwrapped") else env._env)
        env.close()
        del env
        gc.collect()
        assert inner() is None

    def test_truncation_is_told_from_termination(self, family):
        env = make(family)
        shape = PolicyShape(env.observation_size, env.action_space.size)
        policy = Policy(shape, env.action_space)
        policy.load(np.random.default_rng(1).normal(size=shape.num_parameters).astype(np.float32))
        cut = Rollout(env, max_episode_length=2).run(policy, 0)
        assert (cut.steps, cut.truncated) == (2, True)
        whole = Rollout(env, max_episode_length=300).run(policy, 0)
        limit = min(300, env.time_limit or 300)
        assert whole.truncated == (whole.steps == limit and not self.terminates(env, policy, whole.steps))

    @staticmethod
    def terminates(env, policy, steps):
        """Whether the environment itself says at step `steps` that it is over."""
        row = np.ones(env.observation_size + 1, np.float32)
        row[:-1] = env.reset(0)
        for _ in range(steps):
            row[:-1], _, terminated, truncated, _ = env.step(policy.act(row))
            assert not truncated, "the library's own time limit has been left in"
        return terminated


def test_some_families_terminate_and_some_do_not():
    """So that the test of truncation has both to tell apart."""
    rng = np.random.default_rng(0)
    for name, terminates in [("gym/CartPole-v1", True), ("mpi_pgpe/Hopper-v2", True), ("gym/Pendulum-v1", False)]:
        env = envs.make(name, {})
        env.reset(0)
        ends = [env.step(action(env.action_space, rng))[2] for _ in range(200)]
        assert any(ends) == terminates


@pytest.mark.parametrize("family", cases([f for f in FAMILIES if f.frame]))
def test_frames_without_a_display(family, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    make(family).reset(0)  # one for training, which defers what draws, beside it
    env = make(family, render_mode="rgb_array")
    env.reset(0)
    first = env.frame()
    rng = np.random.default_rng(0)
    for _ in range(15):
        env.step(action(env.action_space, rng))
    later = env.frame()
    assert (first.shape, first.dtype) == (family.frame, np.uint8)
    assert first.std() > 1, "a picture of one colour"
    assert (first != later).any(), "the picture does not follow the state"
    env.close()


def test_pybullets_frames_need_no_other_environment():
    gc.collect()  # environments of earlier tests, or one of theirs is the first connection that pybullet has
    first, env = envs.make("HopperBulletEnv-v0", {}), envs.make("HopperBulletEnv-v0", {"render_mode": "rgb_array"})
    first.reset(0), env.reset(0)
    before = env.frame()
    first.close()
    assert (env.frame() == before).all()


def test_a_frame_needs_its_render_mode():
    env = envs.make("gymnasium/Pendulum-v1", {})
    env.reset(0)
    with pytest.raises(envs.UnsupportedEnvironment, match="render_mode='rgb_array'"):
        env.frame()


PICTURE = """
import sys
from mpi_pgpe import envs
envs.make(sys.argv[1], {}).reset(0)  # one for training, which defers what draws, beside it
env = envs.make(sys.argv[1], {"render_mode": "rgb_array"})
env.reset(0)
print(env.frame().std() > 1)
env.close()
"""


@pytest.mark.launches
@pytest.mark.parametrize("name", ["gym/Humanoid-v4", "gymnasium/Humanoid-v5", "mpi_pgpe/Humanoid-v2"])
def test_frames_of_mujoco_in_a_program_of_its_own(name, launch):
    """Where no other simulator has opened a way to draw before."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")
    done = launch("-c", PICTURE, name, env={key: value for key, value in os.environ.items() if key not in hidden})
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr

"""The environment layer: what it leaves out changes no bit, and an episode depends on its seed alone."""

from __future__ import annotations

import subprocess
import sys

import gym
import numpy as np
import pytest
import small_envs

from mpi_pgpe import envs
from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.training.rollout import Rollout

TINY = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
LANDERS = ["LunarLander-v2", "LunarLanderContinuous-v2"]
ISOLATED = [
    *LANDERS,
    "BipedalWalker-v3",
    "CartPole-v1",
    "Pendulum-v1",
    "HumanoidBulletEnv-v0",
    "AntBulletEnv-v0",
    "HopperBulletEnv-v0",
    "Walker2DBulletEnv-v0",
    "HalfCheetahBulletEnv-v0",
    TINY,
]
STEPS = 40


# -- LunarLander's smoke ------------------------------------------------------------------------------


def hover(observation, continuous):
    """Keeps the lander in the air by its legs' height and speed: the engines fire most of the time."""
    main = 0.3 - observation[1] - 1.5 * observation[3]
    side = -observation[4] - observation[5]
    if continuous:
        return np.array([main, -side * 3], np.float32)
    return 2 if main > 0 else 3 if side < 0 else 1


def trajectory(name, reset, step, policy, seed, steps):
    """Bytes of observations and rewards of an episode; `policy` is "hover" or "random"."""
    rng = np.random.default_rng(seed)
    observation, records = reset(seed), []
    for _ in range(steps):
        if policy == "hover":
            action = hover(observation, "Continuous" in name)
        else:
            action = rng.uniform(-1.5, 1.5, 2).astype(np.float32) if "Continuous" in name else int(rng.integers(4))
        observation, reward, terminated, *_ = step(action)
        records.append((observation.tobytes(), np.float64(reward).tobytes(), terminated))
        if terminated:
            break
    return records


@pytest.mark.parametrize("name", LANDERS)
@pytest.mark.parametrize("policy", ["hover", "random"])
def test_lander_without_smoke_is_the_same_bits(name, policy):
    if "Continuous" in name and np.__version__ >= "2":
        pytest.skip("gym's own cannot step with numpy 2")
    ours = envs.make(name, {})
    for seed in (0, 1, 2):
        plain, smoke = gym.make(name, disable_env_checker=True), []

        def step(action, plain=plain, smoke=smoke):
            result = plain.step(action)
            smoke.append(len(plain.unwrapped.particles))
            return result

        expected = trajectory(name, lambda s, env=plain: env.reset(seed=s)[0], step, policy, seed, 200)
        assert max(smoke) > 5, "the plain environment made no smoke: nothing is compared"
        assert trajectory(name, ours.reset, ours.step, policy, seed, 200) == expected
        assert not ours._env.particles


@pytest.mark.parametrize("mode", ["rgb_array", None])
def test_lander_keeps_its_smoke_where_it_is_seen(mode, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = envs.make(LANDERS[0], {"render_mode": mode} if mode else {})
    env.reset(1)
    for _ in range(10):
        env.step(2)
    assert bool(env._env.particles) == (mode is not None)
    if mode:
        assert env.frame().shape == (400, 600, 3)


# -- isolation ----------------------------------------------------------------------------------------


def random_policy(env):
    shape = PolicyShape(env.observation_size, env.action_space.size, (8,))
    policy = Policy(shape, env.action_space)
    policy.load(np.random.default_rng(7).normal(size=shape.num_parameters).astype(np.float32))
    return policy


def episode_bits(rollout, seed):
    """All that an episode is: return, length, sums of observations; as comparable bits."""
    e = rollout.run(random_policy(rollout.env), seed, collect_moments=True)
    return np.float64(e.total_reward).tobytes(), e.steps, e.moments.sum.tobytes(), e.moments.sumsq.tobytes()


@pytest.mark.parametrize("name", ISOLATED)
def test_episode_depends_on_policy_and_seed_alone(name):
    fresh = {seed: episode_bits(Rollout(envs.make(name, {}), STEPS), seed) for seed in (3, 4)}
    assert fresh[3] != fresh[4], "two seeds give one episode: nothing is compared"
    used = Rollout(envs.make(name, {}), STEPS)

    assert episode_bits(used, 4) == fresh[4]
    assert episode_bits(used, 3) == fresh[3]  # after another episode
    assert episode_bits(used, 3) == fresh[3]  # after the same

    def cut_short():
        raise InterruptedError

    used._steps_between_calls = 1
    with pytest.raises(InterruptedError):
        used.run(random_policy(used.env), 4, between_steps=cut_short)
    assert episode_bits(used, 3) == fresh[3]

    used.env.reset(5)
    with pytest.raises(Exception, match=r".+"):  # each says it in its own way
        used.env.step("no action")
    assert episode_bits(used, 3) == fresh[3]
    used.env.remake()
    assert episode_bits(used, 3) == fresh[3]


# -- the default environment ----------------------------------------------------------------------------


def test_tiny_traj_leaves_out_the_survival_bonus_and_ends_after_200_steps():
    ours, plain = envs.make(TINY, {}), envs.make("HumanoidBulletEnv-v0", {})
    assert (ours.time_limit, plain.time_limit) == (200, 1000)
    first = [env.reset(3) for env in (ours, plain)]
    assert first[0].tobytes() == first[1].tobytes()
    rng, rewards = np.random.default_rng(0), []
    while len(rewards) < 30:
        action = rng.uniform(-1, 1, ours.action_space.size).astype(np.float32)
        (x, reward, done, *_), (y, bonus_too, end, *_) = ours.step(action), plain.step(action)
        assert x.tobytes() == y.tobytes()
        assert reward == sum(plain._env.rewards[1:])
        rewards.append(reward)
        assert bonus_too - reward == pytest.approx(plain._env.rewards[0])
        assert done == end
        if done:
            break
    assert len(rewards) > 5


def test_tiny_traj_made_by_gym_steps_200_times():
    env = gym.make(TINY)
    env.reset(seed=0)
    env.unwrapped.env.robot.alive_bonus = lambda z, pitch: 1  # never falls
    ends = []
    while not any(ends):
        *_, terminated, truncated, _ = env.step(np.zeros(17, np.float32))
        ends += [terminated, truncated]
    assert (len(ends) // 2, terminated, truncated) == (200, False, True)


@pytest.mark.launches
@pytest.mark.parametrize("name", [TINY, "HumanoidBulletEnv-v0"])
def test_gym_alone_knows_the_environments(name):
    program = f"""
import gym
env = gym.make({name!r})
observation, _ = env.reset(seed=1)
print(observation.shape, len(env.step(env.action_space.sample())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "(44,) 5"


# -- names and spaces -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small_envs:Slope", "small_envs:Slope-v0"])
def test_environments_of_modules(name):
    envs.check_name(name)
    env = envs.make(name, {"scale": 2.0})
    assert env._env.scale == 2
    assert env.observation_size == 2
    assert env.time_limit == (5 if name.endswith("v0") else None)


@pytest.mark.parametrize("name", ["small_envs:OldSlope", "small_envs:OldSlope-v0"])
def test_old_api_is_the_same_episode(name):
    new, old = (envs.make(n, {}) for n in (name.replace("Old", ""), name))
    for seed in range(5):  # some longer than the 5 steps of the registered ones
        assert episode_bits(Rollout(old), seed) == episode_bits(Rollout(new), seed)


def test_a_reward_counts_as_it_is_after_its_step():
    env = envs.make("small_envs:OneReward", {})
    episode = Rollout(env).run(random_policy(env), 0)
    assert episode.total_reward == sum(range(episode.steps))


@pytest.mark.parametrize("name", ["small_envs:Spring", "small_envs:Rope"])
def test_an_attribute_of_ones_own_is_left_alone(name):
    assert episode_bits(Rollout(envs.make(name, {})), 1) == episode_bits(Rollout(envs.make("small_envs:Slope", {})), 1)


def test_environment_that_cannot_be_seeded_is_refused():
    with pytest.raises(UnsupportedEnvironment, match=r"small_envs:Unseeded.*expected reset\(seed=...\)"):
        envs.make("small_envs:Unseeded", {})


@pytest.mark.parametrize(
    ("name", "size", "discrete"),
    [("CartPole-v1", 2, True), ("Pendulum-v1", 1, False), ("small_envs:Lottery", 3, True), (LANDERS[1], 2, False)],
)
def test_spaces_that_are_served(name, size, discrete):
    env = envs.make(name, {})
    assert (env.action_space.size, env.action_space.discrete) == (size, discrete)
    Rollout(env).run(random_policy(env), 0)  # the environment refuses actions out of its space


@pytest.mark.parametrize("name", ["small_envs:Lottery", "small_envs:Narrow"])
def test_actions_are_within_the_space(name):
    env = envs.make(name, {})
    for seed in range(5):
        assert Rollout(env).run(random_policy(env), seed).steps >= 3


@pytest.mark.parametrize("name", ["NoObservations", "NoActions"])
def test_spaces_that_are_refused_by_name(name):
    kind = "actions" if "Actions" in name else "observations"
    space = getattr(small_envs, name).action_space if kind == "actions" else getattr(small_envs, name).observation_space
    with pytest.raises(UnsupportedEnvironment) as refusal:
        envs.make(f"small_envs:{name}", {})
    for part in (f"small_envs:{name}", f"expected {kind} in Box, ", str(space)):
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("CartPole-v7", ["'CartPole-v7'", "CartPole-v1"]),
        ("LunarLanderContinous-v2", ["LunarLanderContinuous-v2"]),
        ("HumanoidBulletEnv", ["HumanoidBulletEnv-v0"]),
        ("nowhere:Env-v0", ["'nowhere'", "cannot be imported", "PYTHONPATH"]),
        ("small_envs:Slop", ["'small_envs'", "'Slop'"]),
        ("small_envs:MADE", ["'small_envs'", "'MADE'"]),
        ("qqqqqq", ["'qqqqqq'"]),
        ("", ["''"]),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, parts):
    before = list(small_envs.MADE)
    with pytest.raises(UnknownEnvironment) as refusal:
        envs.check_name(name)
    for part in parts:
        assert part in str(refusal.value)
    assert before == small_envs.MADE

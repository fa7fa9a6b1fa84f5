"""PyBullet begins every episode as a fresh environment begins its first, whatever was played before."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from places import HELPERS
from runs import train

from mpi_pgpe import envs
from mpi_pgpe.cli.numbered_episodes import Cast, Order, Stage, find_differences

pybullet = pytest.importorskip("pybullet")
pytestmark = pytest.mark.serial

WALKERS = [
    "HumanoidBulletEnv-v0",
    "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0",
    "AntBulletEnv-v0",
    "HopperBulletEnv-v0",
    "Walker2DBulletEnv-v0",
    "HalfCheetahBulletEnv-v0",
]
OTHERS = [  # and how many steps tell a fresh environment from one that remembers
    ("PusherBulletEnv-v0", 10),
    ("ThrowerBulletEnv-v0", 5),
    ("ReacherBulletEnv-v0", 10),
    ("HumanoidFlagrunBulletEnv-v0", 40),
    ("HumanoidFlagrunHarderBulletEnv-v0", 40),
    ("InvertedPendulumBulletEnv-v0", 20),
    ("InvertedDoublePendulumBulletEnv-v0", 20),
    ("InvertedPendulumSwingupBulletEnv-v0", 20),
]


def client(env: envs.Environment) -> int:
    return env._env._p._client  # type: ignore[attr-defined,no-any-return]


def contacts(env: envs.Environment) -> int:
    return len(pybullet.getContactPoints(physicsClientId=client(env)))


def play(env: envs.Environment, seed: int, steps: int) -> list[bytes]:
    """An episode of random actions; its observations and rewards."""
    random = np.random.default_rng(seed)
    seen = [np.asarray(env.reset(seed)).tobytes()]
    for _ in range(steps):
        action = random.uniform(-1, 1, env.action_space.size).astype(np.float32)
        observation, reward, terminated, *_ = env.step(action)
        seen += [np.asarray(observation).tobytes(), np.float64(reward).tobytes()]
        if terminated:
            break
    return seen


def throw_about(env: envs.Environment, seed: int) -> None:
    """Leave all bodies and joints somewhere else, in motion and in contact, as some episode might."""
    random, world = np.random.default_rng(seed), {"physicsClientId": client(env)}
    for index in range(pybullet.getNumBodies(**world)):
        body = pybullet.getBodyUniqueId(index, **world)
        pybullet.resetBaseVelocity(body, random.normal(0, 2, 3).tolist(), random.normal(0, 2, 3).tolist(), **world)
        for joint in range(pybullet.getNumJoints(body, **world)):
            pybullet.resetJointState(body, joint, random.uniform(-2, 2), random.normal(0, 5), **world)
    for _ in range(15):
        env.step(random.uniform(-1, 1, env.action_space.size).astype(np.float32))


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "as_it_is"])
@pytest.mark.parametrize("name", WALKERS)
def test_no_contact_outlives_its_episode(name: str, fast: bool) -> None:
    env = envs.make(name, {}, fast)
    for seed in range(3):
        env.reset(seed)
        assert contacts(env) == 0
        for _ in range(80):
            env.step(np.zeros(env.action_space.size, np.float32))
        assert contacts(env) > 0
    env.remake()
    env.reset(1)
    assert contacts(env) == 0
    env.close()


@pytest.mark.parametrize(
    ("name", "steps", "fast"),
    [(name, 40, fast) for name in WALKERS for fast in (True, False)] + [(*other, True) for other in OTHERS],
)
def test_an_episode_is_the_first_of_a_fresh_environment(name: str, steps: int, fast: bool) -> None:
    """Whatever state the episode before has left behind."""
    used = envs.make(name, {}, fast)
    used.reset(0)
    for seed in range(5):
        fresh = envs.make(name, {}, fast)
        expected = play(fresh, seed, steps)
        fresh.close()
        throw_about(used, seed)
        assert play(used, seed, steps) == expected, f"episode {seed}"
    used.close()


def test_the_links_keep_their_collision_groups() -> None:
    """Ant's links (group 1, mask 0) do not collide with each other, Humanoid's do, after any number of episodes."""
    touching = {}
    for name in ("AntBulletEnv-v0", "HumanoidBulletEnv-v0"):
        env = envs.make(name, {})
        found = set()
        for seed in range(20):
            env.reset(seed)
            throw_about(env, seed)
            for contact in pybullet.getContactPoints(physicsClientId=client(env)):
                found.add(contact[1] == contact[2])  # within one body
        touching[name] = found
        env.close()
    assert touching == {"AntBulletEnv-v0": {False}, "HumanoidBulletEnv-v0": {False, True}}


@pytest.mark.parametrize(
    ("name", "reuse", "told"),
    [
        ("bullet_envs:Keeps", True, True),
        ("bullet_envs:Keeps", False, False),
        ("bullet_envs:Renews", True, False),
        ("odd_envs:Walk", True, False),
        ("ReacherBulletEnv-v0", True, False),
    ],
)
def test_a_training_begins_with_a_word_on_a_simulation_that_goes_on(
    name: str, reuse: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(HELPERS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train({"env_name": name, "env_reuse": reuse, "niters": 1, "popsize": 2, "max_episode_length": 3})
    said = [str(warning.message) for warning in caught if "keeps its PyBullet simulation" in str(warning.message)]
    assert len(said) == told * 2  # for training and for re-evaluation, which the command line says once
    assert all("env_reuse=False" in words and f"--env {name}" in words for words in said)


def test_a_simulation_that_goes_on_decides_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And env_reuse=False is the way out."""
    monkeypatch.syspath_prepend(HELPERS)
    stage = Stage(Cast("bullet_envs:Keeps", longest=60))
    numbers = range(12)
    fresh = stage.play(Order("fresh", numbers, fresh=True))
    assert find_differences([fresh, stage.play(Order("used", numbers[::-1]))])
    assert not find_differences([fresh, stage.play(Order("made anew", numbers[::-1]), reuse=False)])

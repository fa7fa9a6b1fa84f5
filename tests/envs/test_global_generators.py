"""Whatever generator an environment draws from, an episode depends on its seed alone."""

from __future__ import annotations

import copy
import importlib
import os
import pkgutil
import random
import re
import statistics
from pathlib import Path
from typing import Any

import drawing_envs
import gym
import numpy as np
import pytest
import torch
from places import HELPERS, python_path
from programs import run_program

from mpi_pgpe import envs
from mpi_pgpe.base import global_generators
from mpi_pgpe.base.global_generators import seed_global_generators
from mpi_pgpe.envs.global_generators import DRAW_FROM_THEIR_OWN

pytestmark = pytest.mark.serial

NAMES = [f"drawing_envs:{cls.__name__}" for cls in drawing_envs.ALL]
PYBULLET = [
    "KukaBulletEnv-v0",
    "RacecarBulletEnv-v0",
    "MinitaurBulletEnv-v0",
    "HumanoidDeepMimicBackflipBulletEnv-v1",
]
WINDY = [
    ("gym/LunarLander-v2", {"enable_wind": True}),
    ("gym/LunarLanderContinuous-v2", {"enable_wind": True}),
    ("gymnasium/LunarLander-v3", {"enable_wind": True}),
]


def spoil() -> None:
    """Put all global generators into some other state, one with half a Gaussian pair left."""
    for generator in (np.random, random, torch):
        generator.seed()  # type: ignore[attr-defined]  # from the system's entropy
    np.random.standard_normal()
    random.gauss(0, 1)


def play(env: Any, seed: int, steps: int = 40) -> list[bytes]:
    observation, records = env.reset(seed), []
    space = env.action_space
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        records.append(np.asarray(observation, np.float64).tobytes())
        action = int(rng.integers(space.size)) if space.discrete else rng.uniform(-1, 1, space.size).astype(np.float32)
        observation, reward, terminated, _, _ = env.step(action)
        records.append(np.float64(reward).tobytes())
        if terminated:
            break
    return records


def assert_seeded(name: str, config: dict[str, Any]) -> None:
    """That an episode comes out the same whatever was drawn and played before."""
    spoil()
    fresh = envs.make(name, config)
    expected = play(fresh, 5)
    spoil()
    used = envs.make(name, config)
    spoil()
    assert play(used, 6) != expected, "two seeds give one episode: nothing is compared"
    spoil()
    assert play(used, 5) == expected
    assert play(used, 5) == expected
    fresh.close(), used.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_depends_on_its_seed_alone(name: str) -> None:
    assert_seeded(name, {})


LATE = """
import sys
import numpy as np
from mpi_pgpe import envs

def play(env, seed):
    with env.inside:
        env.reset(seed)
        return [env.step(np.ones(1, np.float32))[1] for _ in range(3)]

env = envs.make("drawing_envs:LateTorch", {})
assert "torch" not in sys.modules
print(play(env, 5) == play(env, 5) != play(env, 6), "torch" in sys.modules)
"""


@pytest.mark.launches
def test_so_does_the_episode_that_imports_torch() -> None:
    done = run_program("-c", LATE, env=os.environ | {"PYTHONPATH": python_path(HELPERS)})
    assert (done.stdout, done.stderr) == ("True True\n", "")


@pytest.mark.parametrize(("name", "config"), WINDY)
def test_so_does_the_wind(name: str, config: dict[str, Any]) -> None:
    assert_seeded(name, config)


@pytest.mark.slow
@pytest.mark.parametrize("name", PYBULLET)
def test_so_do_the_environments_of_pybullet_that_draw_from_global_generators(name: str) -> None:
    try:
        assert_seeded(name, {})
    except envs.UnknownEnvironment as error:
        assert "older protobuf" in str(error)  # noqa: PT017
        pytest.skip(str(error))


def test_each_global_generator_gets_a_state_that_follows_from_the_seed() -> None:
    def drawn(seed: int) -> list[Any]:
        spoil()
        seed_global_generators(seed)
        return [np.random.standard_normal(2).tolist(), random.gauss(0, 1), torch.randn(2).tolist()]

    assert drawn(3) == drawn(3)
    assert all(a != b for a, b in zip(drawn(3), drawn(4), strict=True))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**32 - 1])
def test_the_generators_give_other_numbers_than_each_other_and_than_a_seeded_one(seed: int) -> None:
    seed_global_generators(seed)
    found = [np.random.random(), random.random(), float(torch.rand((), dtype=torch.float64))]
    found += [np.random.RandomState(seed).random(), np.random.default_rng(seed).random()]
    assert len(set(found)) == len(found)


def test_the_numbers_of_neighbouring_seeds_are_independent() -> None:
    firsts: dict[str, list[float]] = {"numpy": [], "python": []}
    for seed in range(2000):
        seed_global_generators(seed)
        firsts["numpy"].append(np.random.random())
        firsts["python"].append(random.random())
    for numbers in (*firsts.values(), [a - b + 0.5 for a, b in zip(*firsts.values(), strict=True)]):
        assert statistics.fmean(numbers) == pytest.approx(0.5, abs=0.04)
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.1


def test_a_space_that_is_drawn_from_is_still_a_space() -> None:
    env = envs.make("drawing_envs:FromSpaces", {})
    env.reset(1)
    space = copy.deepcopy(env._env.action_space)
    assert space == env._env.action_space
    assert space.contains(space.sample())
    space.seed(3), env._env.action_space.seed(3)
    assert space.sample() == env._env.action_space.sample()


def test_the_generators_of_a_program_are_left_as_they_are_for_others() -> None:
    """What is seeded while environments are made is seeded from the system's entropy afterwards."""
    kept = np.random.default_rng, gym.utils.seeding.np_random
    envs.make("drawing_envs:WhenMade", {})
    assert (np.random.default_rng, gym.utils.seeding.np_random) == kept
    assert np.random.default_rng().random() != np.random.default_rng().random()


def test_a_function_that_was_imported_meanwhile_draws_from_entropy_later() -> None:
    with global_generators.seed_while_importing():
        default_rng = np.random.default_rng
        assert default_rng().random() == default_rng().random()
    assert default_rng().random() != default_rng().random()


@pytest.mark.parametrize("package", [module.rstrip(".") for module in DRAW_FROM_THEIR_OWN])
def test_what_is_said_to_draw_from_its_own_generator_alone_does_so(package: str) -> None:
    """In its source no other generator has a name."""
    folder = importlib.import_module(package).__path__
    sources = [Path(module.module_finder.path, f"{module.name}.py") for module in pkgutil.iter_modules(folder)]  # type: ignore[union-attr]
    assert len(sources) >= 5
    for source in sources:
        code = source.read_text()
        assert not re.search(r"\brandom\b(?! )|import random|default_rng|RandomState|\.sample\(", code), source

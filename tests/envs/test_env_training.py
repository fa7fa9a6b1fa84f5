"""Training in every family: fitness rises, and nothing that draws is loaded."""

from __future__ import annotations

import os

import pytest
from families import Family, cases
from places import HELPERS, python_path

from mpi_pgpe.envs.rendering import DRAWING
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

BASE = {"seed": 1, "niters": 10, "popsize": 20, "num_interactions": None, "num_hidden": 0, "max_episode_length": 50}
BASE |= {"re_eval_interval": 100}
# Families, each with a setting in which a few seconds show a rise.
TRAININGS = [
    (Family("gym-classic", "gym/CartPole-v1"), {"max_episode_length": 200, "max_speed": 0.3}),
    (Family("gymnasium-classic", "gymnasium/CartPole-v1"), {"max_episode_length": 200, "max_speed": 0.3}),
    (Family("gym-box2d", "gym/LunarLanderContinuous-v2"), {"max_speed": 0.3, "obs_norm": False}),
    (
        Family("gymnasium-box2d", "gymnasium/LunarLander-v3", {"continuous": True}),
        {"max_speed": 0.3, "obs_norm": False},
    ),
    (Family("pybullet", "InvertedPendulumBulletEnv-v0"), {"max_episode_length": 200, "max_speed": 0.3}),
    (Family("mujoco-py", "gym/Hopper-v2"), {"max_speed": 0.05}),
    (Family("gymnasium-mujoco", "gymnasium/HalfCheetah-v5"), {"max_speed": 0.1, "popsize": 60}),
    (Family("v2-modern", "mpi_pgpe/Hopper-v2"), {"max_speed": 0.05}),
]
IDS = {family.name: settings for family, settings in TRAININGS}


def trainings(names=None):
    return cases([family for family, _ in TRAININGS if names is None or family.name in names])


@pytest.mark.parametrize("family", trainings())
def test_fitness_rises(family):
    settings = {"env_name": family.env, "env_config": family.config} | BASE | IDS[family.name]
    team = Team(Farm(World()))
    if team.world.rank > 0:
        assert team.serve() == 0
        return
    trainer = Trainer(Settings.check(settings), team)
    means = [report.metrics["pop_mean"] for report in trainer]
    team.stop(0)
    first, last = sum(means[:3]) / 3, sum(means[-3:]) / 3
    assert last > first + 0.25 * abs(first), means
    metadata = trainer.agent({}).metadata
    assert metadata["env_origin"] == metadata["re_eval_env_origin"] == trainer.origins[0]


LOOK = f"""
import sys
from mpi_pgpe import envs
env = envs.make(sys.argv[1], eval(sys.argv[2]))
env.reset(0)
env.step(0 if env.action_space.discrete else env.action_space.low)
print([name for name in sys.modules if name.split(".")[0] in {DRAWING}])
print([line.split("/")[-1] for line in open("/proc/self/maps") if "libGL" in line or "libEGL" in line])
"""


@pytest.mark.launches
@pytest.mark.parametrize("family", trainings())
def test_nothing_that_draws_is_loaded_in_training(family, launch):
    done = launch("-c", LOOK, family.env, repr(family.config), env={**os.environ, "MUJOCO_GL": "egl"})
    assert done.returncode == 0, done.stderr
    modules, libraries = done.stdout.splitlines()[-2:]
    assert modules == "[]"
    if family.name != "mujoco-py":  # whose one compiled part holds its drawing, too
        assert libraries == "[]"


LOGGED = """
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent / "imported"
rank = int(os.environ.get("PMI_RANK", 0))
if rank == 0:
    time.sleep(1)  # compiles, say
    here.touch()
assert here.exists(), f"rank {rank} imports while rank 0 has not finished"
from families import Wanderer
"""


@pytest.mark.launches
def test_rank_0_imports_a_simulator_before_the_others(launch, tmp_path):
    (tmp_path / "slow_to_import.py").write_text(LOGGED)
    path = python_path(tmp_path, HELPERS)
    done = launch(
        *["-m", "mpi_pgpe.train", "with", "env_name=slow_to_import:Wanderer-v0", "popsize=8", "niters=1"],
        *["num_interactions=None", "re_eval_num_episodes=3", "popsize_max=None"],
        ranks=3,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "re-evaluated mean return" in done.stdout

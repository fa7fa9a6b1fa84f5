"""What a rank costs before its first step: time, memory, and the start of many ranks at once.

    python benchmarks/start.py

The baseline imports numpy, mpi4py and the environment's library, makes the environment and resets it. A rank does the
same through this package and runs one direction. For the start of many ranks, whole programs are compared:
`mpiexec -n 64` of the baseline, and of a training of one generation with one-step episodes, in which rank 0 loads
sacred besides.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import common

from mpi_pgpe.base.arguments import make_minimum

ENVIRONMENTS = ["CartPole-v1", "gymnasium/Walker2d-v5", "HumanoidBulletEnv-v0"]

BASELINE = """
import os
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import sys, warnings
warnings.simplefilter("ignore")
import numpy
import mpi4py
mpi4py.rc.thread_level = "funneled"
from mpi4py import MPI
library = "gymnasium" if sys.argv[1].startswith("gymnasium/") else "gym"
id, options = sys.argv[1].removeprefix(f"{library}/"), {}
if library == "gymnasium":
    import gymnasium as gym
else:
    import importlib.metadata
    found = importlib.metadata.entry_points
    importlib.metadata.entry_points = lambda **which: [e for e in found(**which) if not e.value.startswith("mpi_pgpe.")]
    import gym  # without this package, which is its plugin
    if "Bullet" in id:
        from gym.envs import registration as of_gym  # it lacks what pybullet_envs registers with
        of_gym.registry = type("Registry", (dict,), {"env_specs": of_gym.registry})(of_gym.registry)
        import pybullet_envs
        options["apply_api_compatibility"] = True
env = gym.make(id, **options)
env.reset(seed=1)
env.step(env.action_space.sample())
"""

RANK = """
import sys
import mpi_pgpe.train  # as `python -m mpi_pgpe.train` does
import numpy as np
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.search.seeds import seed_table
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.training.job import Distribution, Job, TRAINING
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
team = Team(Farm(World()))
name = sys.argv[1]
linear = {"seed": 1, "popsize": 2, "num_hidden": 0, "max_episode_length": 1}
team.start(Job.from_settings(Settings.check({"env_name": name, "re_eval_env_name": name} | linear)))
env = team.environment(TRAINING)
shape = PolicyShape(env.observation_size, env.action_space.size)
center, stdev = (np.full(shape.num_parameters, value, np.float32) for value in (0.0, 0.01))
obs = np.zeros(env.observation_size), np.ones(env.observation_size)
team.evaluate(TRAINING, Distribution(0, center, stdev, *obs, seed_table(1, 0, 1)), Rounds(1))
"""

USED = """
import json, time
resident = int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
print(json.dumps([time.process_time(), resident]))
"""


def used(program: str, env: str) -> tuple[float, float]:
    """(processor seconds, resident MB) of a process that ran the program."""
    printed = common.output([sys.executable, "-c", program + USED, env])
    seconds, resident = json.loads(printed.splitlines()[-1])
    return seconds, resident


def wall(ranks: int, *command: str) -> float:
    """Seconds that mpiexec takes for a program on so many ranks."""
    began = time.perf_counter()
    common.output([common.mpiexec(), "-n", str(ranks), sys.executable, *command])
    return time.perf_counter() - began


def training(env: str, ranks: int) -> list[str]:
    """The smallest training in which every rank has a direction."""
    settings = [f"env_name={env}", f"re_eval_env_name={env}", f"popsize={2 * ranks}", "popsize_max=None"]
    short = ["num_interactions=None", "niters=1", "max_episode_length=1", "re_eval_num_episodes=1", "num_hidden=0"]
    return ["-m", "mpi_pgpe.train", "-l", "ERROR", "-u", "with", *settings, *short, "seed=1"]


def measure(env: str, ranks: int, repeats: int, starts: int) -> common.Row:
    """One environment."""
    pairs = [(used(BASELINE, env), used(RANK, env)) for _ in range(repeats)]
    walls = [(wall(ranks, "-c", BASELINE, env), wall(ranks, *training(env, ranks))) for _ in range(starts)]
    base = [found for found, _ in pairs]
    row: common.Row = {"environment": env}
    for i, (unit, label) in enumerate([("s", "CPU"), ("MB", "resident")]):
        row[f"baseline, {label} {unit}"] = statistics.median(found[i] for found in base)
        row[f"rank above it, {label} {unit}"] = statistics.median(r[i] - b[i] for b, r in pairs)
    if walls:
        alone, trained = zip(*walls, strict=True)
        row[f"{ranks} baselines, s"] = statistics.median(alone)
        row[f"training on {ranks} ranks, s"] = statistics.median(trained)
        row["ratio (median)"] = common.median_ratio(trained, alone)
    return row


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--env", nargs="+", metavar="ID", type=common.environment, default=ENVIRONMENTS,
                        help="environments of gym, or with gymnasium/ before the id of gymnasium")  # fmt: skip
    parser.add_argument("--ranks", metavar="N", type=make_minimum(1), default=64, help="ranks that are started at once")
    parser.add_argument(
        "--starts", metavar="N", type=make_minimum(0), default=3, help="starts of many ranks that a median is taken of"
    )
    args = parser.parse_args()
    rows = [measure(env, args.ranks, args.repeats, args.starts) for env in common.each(args.env)]
    common.report("What a rank costs before its first step", rows, args.json)


if __name__ == "__main__":
    main()

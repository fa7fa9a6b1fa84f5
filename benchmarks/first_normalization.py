"""What the first population acts on: observations as they come, or normalized by a round that only collects.

    python benchmarks/first_normalization.py

A run's first population acts on observations as they come, because there are no running statistics yet; from the second
generation on they are normalized. Here the first population is evaluated once more before the run, for its observations
alone, whose steps count like all others. Everything else is the same: seeds, noise, settings, steps in all.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import common

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.job import TRAINING
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

TASKS: dict[str, dict[str, Any]] = {
    "gymnasium/Hopper-v5": {"max_speed": 0.015, "decrease_rewards_by": 1.0},
    "gymnasium/Walker2d-v5": {"max_speed": 0.015, "decrease_rewards_by": 1.0},
    "gymnasium/Humanoid-v5": {"max_speed": 0.015, "decrease_rewards_by": 5.0},
    "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0": {"max_speed": 0.15},
}
"""Settings of the prepared configurations for these."""
MARKS = (0.1, 0.25, 0.5, 1.0)
"""Shares of all steps at which the population's median is looked at."""
_SMALL = {
    "popsize_max": None,
    "num_interactions": None,
    "num_hidden": 0,
    "obs_norm": True,
    "re_eval_interval": 0,
    "re_eval_num_episodes": 20,
    "niters": 1_000_000,
}


def collect(trainer: Trainer) -> None:
    """Evaluate the first population for its observations alone."""
    tasks = Rounds(trainer.search.popsize // 2)
    trainer.team.evaluate(TRAINING, trainer._distribution(1), tasks)
    trainer.moments.merge(trainer.team.moments(tasks.size))
    trainer.timesteps += int(tasks.results()["interactions"].sum())


def train(settings: dict[str, Any], steps: int, first_collects: bool) -> dict[str, float]:
    """Train for so many steps; returns the first population's median, those at MARKS and the center's mean return."""
    trainer = Trainer(Settings.check(_SMALL | settings), Team(Farm(World())))
    if first_collects:
        collect(trainer)
    medians: list[tuple[int, float]] = []
    while trainer.timesteps < steps:
        medians.append((trainer.timesteps, float(trainer.step().metrics["pop_median"])))
    found = {"first": medians[0][1]}
    for mark in MARKS:
        found[f"{mark:.0%}"] = ([median for before, median in medians if before < mark * steps] or [medians[0][1]])[-1]
    return found | {"center": float(trainer._re_evaluate()["re_eval_mean"])}


def main() -> None:
    parser = common.parser(__doc__, repeats=False)
    parser.add_argument("--env", action="append", choices=list(TASKS), help="default: all")
    parser.add_argument("--seeds", type=make_minimum(1), default=4)
    parser.add_argument("--popsize", type=make_minimum(2), default=40)
    parser.add_argument("--steps", type=make_minimum(1), default=200_000, help="of a training")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in args.env or TASKS:
        for first_collects in (False, True):
            runs = []
            began = time.monotonic()
            for seed in range(1, args.seeds + 1):
                settings = TASKS[name] | {"env_name": name, "popsize": args.popsize, "seed": seed}
                runs.append(train(settings, args.steps, first_collects))
            medians = {mark: round(statistics.median(run[mark] for run in runs), 2) for mark in runs[0]}
            every = " ".join(f"{run['center']:.1f}" for run in runs)
            row = {"task": name.rpartition("/")[2], "collects first": first_collects, **medians, "centers": every}
            rows.append(row)
            print(row, f"{time.monotonic() - began:.0f} s", flush=True)
    common.report("The first generation's normalization (medians over seeds)", rows, args.json)


if __name__ == "__main__":
    main()

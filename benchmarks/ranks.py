"""Generations of a training on many ranks whose environment sleeps instead of computing, against ideal list scheduling.

    mpiexec -n 8 python benchmarks/ranks.py

Timed are whole generations as the trainer runs them, from one to the next: seeds, evaluation, statistics, update. The
ideal hands the same directions out in the same order, each to the rank that is free first, and costs nothing. An
adaptive generation goes on over several rounds until it has enough interactions; the ideal does so, too. More ranks
than cores are fine: a sleeping environment needs none.
"""

from __future__ import annotations

import heapq
import statistics
import time
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.envs import registry
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result
from mpi_pgpe.parallel.world import World
from mpi_pgpe.search.seeds import episode_seed
from mpi_pgpe.training.job import TRAINING
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

gym = registry.load("gym")  # without its notice, which each rank would print

STEP = 0.02  # seconds; shorter ones would fill the cores that many ranks share
SEED = 7  # of the training
MAX_ROUNDS = 8


def steps_of_episode(seed: int) -> list[float]:
    """Seconds of each step; those of the episode have a heavy tail from 0.05 to 2."""
    whole, rest = divmod(min(2.0, 0.05 * np.random.default_rng(seed).uniform() ** (-1 / 1.2)), STEP)
    return [rest] * (rest > 0) + [STEP] * int(whole)


class Sleeper(gym.Env):  # type: ignore[name-defined,misc]  # loaded above, not imported
    """Sleeps for the time that comes from its seed, in steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (44,), np.float32)  # those of PyBullet's humanoid
    action_space = gym.spaces.Box(-1, 1, (17,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """See gym.Env."""
        assert seed is not None
        self._until = time.monotonic()
        self._steps = steps_of_episode(seed)
        self._observation = np.zeros(44, np.float32)
        return self._observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """See gym.Env."""
        self._until += self._steps.pop()  # a step that is late makes no other one late
        time.sleep(max(0.0, self._until - time.monotonic()))
        return self._observation, float(action[0]), not self._steps, False, {}


def directions(generation: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds and interactions of each direction of a generation."""
    found = []
    for item in range(count):
        pair = [steps_of_episode(episode_seed(SEED, TRAINING, generation, item, sign, 0)) for sign in (0, 1)]
        found.append((sum(map(sum, pair)), sum(map(len, pair))))
    seconds, interactions = zip(*found, strict=True)
    return np.array(seconds), np.array(interactions)


def ideal(seconds: Any, ranks: int, tasks: Rounds, interactions: Any = None) -> float:
    """Seconds of a generation under list scheduling without any overhead."""
    running: list[tuple[float, int]] = []
    now = 0.0
    for _ in range(ranks):
        task = tasks.next()
        if task is not None:
            heapq.heappush(running, (seconds[task], task))
    while not tasks.complete:
        now, done = heapq.heappop(running)
        tasks.record(done, Result((0.0, 0.0), (0 if interactions is None else int(interactions[done]), 0)))
        task = tasks.next()
        if task is not None:
            heapq.heappush(running, (now + seconds[task], task))
    return now


def enough(size: int) -> int:
    """Interactions for which an adaptive generation needs two and a half rounds or so."""
    _, interactions = directions(0, size)
    return int(2.5 * interactions.sum())


def measure(team: Team, size: int, adaptive: bool, repeats: int) -> tuple[list[float], list[float]] | None:
    """All ranks: run generations of a training; on rank 0 returns their seconds, and those of the ideal."""
    if team.world.rank > 0:
        team.serve()
        return None
    values: dict[str, Any] = {"env_name": "ranks:Sleeper", "seed": SEED, "popsize": 2 * size, "re_eval_interval": 10**6}
    values |= {"num_hidden": 0, "popsize_max": None, "num_interactions": None}
    if adaptive:
        values |= {"popsize_max": 2 * size * MAX_ROUNDS, "num_interactions": enough(size)}
    trainer = Trainer(Settings.check(values | {"niters": 10**6}), team)
    trainer.step()  # in which each rank loads what it needs
    taken, least = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        report = trainer.step()
        taken.append(time.perf_counter() - began)
        tasks = Rounds(size, MAX_ROUNDS, trainer.search.num_interactions)
        seconds, interactions = directions(report.generation - 1, size * tasks.rounds)
        least.append(ideal(seconds, team.world.size, tasks, interactions))
        needed = interactions[: size * tasks.rounds]
        assert report.metrics["pop_timesteps"] == needed.sum(), "not the same episodes"
    team.stop(0)
    return taken, least


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "--directions", metavar="N", type=make_minimum(1), default=20, help="directions of a round for each rank"
    )
    args = parser.parse_args()
    rows = []
    for adaptive in (False, True):
        team = Team(Farm(World()))
        size = args.directions * team.world.size
        found = measure(team, size, adaptive, args.repeats)
        if found is not None:
            taken, least = found
            rows.append(
                {
                    "ranks": team.world.size,
                    "population": "adaptive" if adaptive else "fixed",
                    "directions a round": size,
                    "generation, s": statistics.median(taken),
                    "ideal, s": statistics.median(least),
                    "ratio (median)": common.median_ratio(taken, least),
                }
            )
    if rows:
        common.report("Generations on sleeping ranks against ideal list scheduling", rows, args.json)


if __name__ == "__main__":
    main()

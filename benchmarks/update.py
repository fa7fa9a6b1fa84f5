"""Rank 0's update of a whole generation against only generating the generation's noise once on the same ranks.

    mpiexec -n 2 python benchmarks/update.py

Rank 0 is the one that everybody waits for, so its processor time counts. Bytes are those that rank 0 hands to MPI
(once each, not once a rank).
"""

from __future__ import annotations

import resource
import statistics
import time
import traceback
from typing import Any

import common
import numpy as np

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.world import World
from mpi_pgpe.search.noise import Noise
from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING, Distribution, Job
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team

CASES = {"40000x3985": (40_000, [569]), "1000x999987": (1000, [997, 995])}
"""Directions, and the widths of the hidden layers of CartPole's policy."""


class CountingWorld(World):
    """Counts the bytes that it sends to all, and those that are summed on it."""

    sent = summed = 0

    def _broadcast(self, buffer: Any) -> None:
        self.sent += buffer.nbytes
        super()._broadcast(buffer)

    def sum_on_root(self, array: Any) -> Any:
        self.summed += array.nbytes
        return super().sum_on_root(array)


def megabytes() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(team: Team, name: str, repeats: int) -> common.Row:
    """One case, on rank 0."""
    world = team.world
    assert isinstance(world, CountingWorld)
    directions, hidden = CASES[name]
    settings = Settings.check({"env_name": "CartPole-v1", "seed": 1, "popsize": 2 * directions, "hidden": hidden})
    team.start(Job.from_settings(settings))
    env = team.environment(TRAINING)
    size = settings.shape(env.observation_size, env.action_space.size).num_parameters
    search = PGPE(solution_length=size, popsize=2 * directions, seed=1, sum_directions=team.sum_directions)
    own = search.seeds(0, directions)[: directions // world.size]
    fitness = np.random.default_rng(0).standard_normal(2 * directions)
    noise, out = Noise(size), np.empty(size, np.float32)
    times: dict[str, list[float]] = {"noise": [], "update": [], "noise wall": [], "update wall": []}
    for _ in range(repeats):
        began, wall = time.process_time(), time.perf_counter()
        for seed in own:
            noise.fill_units(seed, out)
        times["noise"].append(time.process_time() - began)
        times["noise wall"].append(time.perf_counter() - wall)

        world.sent = world.summed = 0
        center, stdev = (x.astype(np.float32) for x in (search.center, search.stdev))
        seeds = search.seeds(0, directions)
        # The other ranks learn the distribution with an episode of its center.
        team.evaluate(RE_EVALUATION, Distribution(search.generation, center, stdev, None, None, seeds), Rounds(1))
        began, wall = time.process_time(), time.perf_counter()
        search.tell(fitness)
        times["update"].append(time.process_time() - began)
        times["update wall"].append(time.perf_counter() - wall)
    return {
        "directions": directions,
        "parameters": size,
        "ranks": world.size,
        "noise once, CPU s": statistics.median(times["noise"]),
        "update, CPU s": statistics.median(times["update"]),
        "ratio (median)": common.median_ratio(times["update"], times["noise"]),
        "ratio of wall times": common.median_ratio(times["update wall"], times["noise wall"]),
        "sent to all, MB": world.sent / 1e6,
        "summed, MB": world.summed / 1e6,
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES), help="directions x parameters")
    args = parser.parse_args()
    farm = Farm(CountingWorld())
    rows = []
    for name in args.cases:
        before, team = megabytes(), Team(farm)
        if farm.world.rank > 0:
            team.serve()
        else:
            try:
                rows.append(measure(team, name, args.repeats))
            except BaseException:
                traceback.print_exc()
                farm.world.abort(1)
            team.stop(0)
        memory = farm.world.gather_on_root(np.array([megabytes() - before]))
        if farm.world.rank == 0:
            rows[-1]["memory of rank 0 above before, MB"] = float(memory[0, 0])
            rows[-1]["of another rank at most"] = float(memory[1:].max(initial=0))
    if farm.world.rank == 0:
        common.report("The update against generating the noise once", rows, args.json)


if __name__ == "__main__":
    main()

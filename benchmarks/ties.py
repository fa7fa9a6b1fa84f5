"""Equal fitnesses: the mean of their ranks (tie_breaking=average) against ranks in their order.

    python benchmarks/ties.py

Nothing else differs: the same seeds, noise and settings. Three tasks in which many fitnesses are equal:

- MountainCar-v0, whose return is -200 for whoever does not reach the flag;
- a staircase, the distance from the optimum rounded down to whole steps;
- success or failure: 1 within a ball around the optimum, at first for a few of the solutions, else 0;

and the noise of the stdev's gradient where a share of the population succeeds, at random: its length (root mean square
over draws), which would be zero without noise.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

from mpi_pgpe import PGPE
from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.search.noise import GRID, weighted_sums
from mpi_pgpe.search.ranking import TIE_BREAKING, centered_ranks
from mpi_pgpe.search.seeds import seed_table
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

LENGTH = 20
DISTANCE = 10.0  # of the optimum from the first center
CAR = {
    "env_name": "MountainCar-v0",
    "popsize": 60,
    "popsize_max": None,
    "num_interactions": None,
    "num_hidden": 0,
    "max_speed": 0.3,
    "re_eval_interval": 0,
    "re_eval_num_episodes": 20,
}

Function = Callable[[NDArray[Any]], NDArray[Any]]


def mountain_car(tie_breaking: str, seed: int, generations: int) -> float:
    """Mean return of the trained center."""
    team = Team(Farm(World()))
    settings = Settings.check(CAR | {"seed": seed, "niters": generations, "tie_breaking": tie_breaking})
    trainer = Trainer(settings, team)
    for _ in trainer:
        pass
    return float(trainer.re_eval["re_eval_mean"])


def distances(x: NDArray[Any]) -> NDArray[Any]:
    """Of solutions from the optimum, which lies in a direction that no axis has."""
    return np.asarray(np.linalg.norm(x - DISTANCE / np.sqrt(LENGTH), axis=-1))


def staircase(x: NDArray[Any]) -> NDArray[Any]:
    """Minus the distance, in whole steps."""
    return -np.floor(distances(x))


def success(radius: float) -> Function:
    """1 within a ball around the optimum, else 0."""
    return lambda x: (distances(x) < radius).astype(float)


def final_distance(function: Function, tie_breaking: str, seed: int, generations: int) -> float:
    """Distance of the center from the optimum in the end; DISTANCE at first."""
    search = PGPE(
        solution_length=LENGTH,
        popsize=100,
        optimizer_config={"max_speed": 0.3},
        stdev_init=1.0,
        tie_breaking=tie_breaking,
        seed=seed,
    )
    for _ in range(generations):
        search.tell(function(search.ask()))
    return float(distances(search.center))


def radius_of_success(share: float) -> float:
    """The radius of the ball that the share of the first population lies in."""
    search = PGPE(solution_length=LENGTH, popsize=20_000, stdev_init=1.0, seed=0)
    return float(np.quantile(distances(search.ask()), share))


def stdev_noise(tie_breaking: str, share: float, draws: int) -> float:
    """Length of the stdev's gradient (at stdev 1) where successes are a matter of chance."""
    popsize, rng, squares = 200, np.random.default_rng(0), []
    for draw in range(draws):
        fitness = np.zeros(popsize)
        fitness[rng.choice(popsize, round(share * popsize), replace=False)] = 1
        weights = centered_ranks(fitness, tie_breaking)
        plus, minus = weights.integers[0::2], weights.integers[1::2]
        _, sums = weighted_sums(LENGTH, seed_table(1, draw, popsize // 2), plus - minus, plus + minus)
        squares.append(np.mean((sums * (weights.unit / 2 * GRID / (popsize // 2))) ** 2))
    return float(np.sqrt(np.mean(squares)))


def compare(task: str, measure: Callable[[str, int], float], seeds: int, digits: int) -> common.Row:
    """A row: the median of each rule over the seeds, and in how many seeds averaging is better."""
    by_rule = {rule: [measure(rule, seed) for seed in range(1, seeds + 1)] for rule in TIE_BREAKING}
    average, order = by_rule["average"], by_rule["order"]
    return {
        "task": task,
        "seeds": seeds,
        **{f"{rule}, median": round(statistics.median(values), digits) for rule, values in by_rule.items()},
        "average smaller in": sum(a < b for a, b in zip(average, order, strict=True)),
        "average larger in": sum(a > b for a, b in zip(average, order, strict=True)),
        **{rule: " ".join(f"{value:.{digits}f}" for value in values) for rule, values in by_rule.items()},
    }


def main() -> None:
    parser = common.parser(__doc__, repeats=False)
    parser.add_argument("--seeds", type=make_minimum(1), default=10, help="of the two functions")
    parser.add_argument("--car-seeds", type=make_minimum(0), default=6, help="of MountainCar-v0; 0 leaves it out")
    parser.add_argument("--generations", type=make_minimum(1), default=60, help="of all three")
    parser.add_argument("--draws", type=make_minimum(1), default=2000, help="of populations for the gradient's noise")
    args = parser.parse_args()
    n, radius = args.generations, radius_of_success(0.05)
    rows: list[dict[str, Any]] = [
        compare("staircase: distance", lambda rule, seed: final_distance(staircase, rule, seed, n), args.seeds, 2),
        compare(
            "success within a ball (5% at first): distance",
            lambda rule, seed: final_distance(success(radius), rule, seed, n),
            args.seeds,
            2,
        ),
    ]
    if args.car_seeds:
        car = compare("MountainCar-v0: return", lambda rule, seed: mountain_car(rule, seed, n), args.car_seeds, 0)
        rows.insert(0, car)
    noise = {rule: stdev_noise(rule, 0.05, args.draws) for rule in TIE_BREAKING}
    common.report("Equal fitnesses: mean ranks against ranks in their order", rows, args.json)
    print(
        f"noise of the stdev's gradient at 5% successes: average {noise['average']:.4f}, order {noise['order']:.4f}, "
        f"ratio {noise['order'] / noise['average']:.2f}"
    )


if __name__ == "__main__":
    main()

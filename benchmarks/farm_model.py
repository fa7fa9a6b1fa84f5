"""How many ranks one run can use well: sleeping ranks on this machine, and beyond them a model with measured costs.

    python benchmarks/farm_model.py --picture scaling.png

Measured are generations of benchmarks/ranks.py, and what one direction and one generation cost. The model plays a
generation with these costs: ranks take directions and report to rank 0, which handles one message after another; then
come the update, whose sums are shared, and broadcasts and reductions, which take as long as between two ranks for
each doubling of the ranks. Not in it: that rank 0 is late with its own episodes while it answers.
"""

from __future__ import annotations

import heapq
import json
import math
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import ranks
from numpy.typing import NDArray

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.load import should_hold_two
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result
from mpi_pgpe.parallel.world import _LONGEST_NAP
from mpi_pgpe.search.noise import weighted_sums
from mpi_pgpe.search.seeds import seed_table

SIZES = [1, 10, 100, 200, 500, 1000, 2000, 5000, 10000]
UNITS = 569  # hidden units with which CartPole's policy has the 3985 parameters of PyBullet's humanoid
PARAMETERS = 7 * UNITS + 2

MESSAGES = """
import time
import numpy as np
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result
farm, n, result = Farm(World(), root_evaluates=False), 4000, Result((1.0, 1.0), (1, 1))
began = time.process_time()
if farm.world.rank == 0:
    farm.hand_out(Rounds(n), None)
    print((time.process_time() - began) / n)
else:
    farm.take(lambda task, poll: result)
farm.world.goodbye()
"""

# Training, with an account in processor time, which other programs on the machine disturb less.
TRAINING = """
import time, types
import mpi_pgpe.cli.entry, mpi_pgpe.train
mpi_pgpe.parallel.clock.time = types.SimpleNamespace(perf_counter=time.process_time)
mpi_pgpe.cli.entry.run(mpi_pgpe.train.main)
"""

# What rank 0 tells and gathers in a generation: the distribution with its seeds, weights, sums, moments.
COLLECTIVES = """
import statistics, sys, time
import numpy as np
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
farm, (size, count) = Farm(World()), map(int, sys.argv[1:])
told = [np.zeros(count, np.uint64), np.zeros(2 * size, np.float32)], [np.zeros(2 * count, np.int32)], [np.zeros(1)]
seconds = []
for _ in range(31):
    farm.world.maximum(np.zeros(1))
    began = time.perf_counter()
    for arrays in told:
        farm.world.tell(1, *arrays) if farm.world.rank == 0 else farm.world.hear()
    farm.world.sum_on_root(np.zeros((2, size), np.int64))
    farm.world.maximum(np.zeros(88))
    farm.world.sum_on_root(np.zeros(2 * 88 + 1, np.int64))
    seconds.append(time.perf_counter() - began)
if farm.world.rank == 0:
    print(statistics.median(seconds))
farm.world.goodbye()
"""


@dataclass(frozen=True)
class Costs:
    """Seconds."""

    message: float  # of rank 0, for a direction that another rank evaluates: its result in, the next one out
    sums: float  # of one rank, for a direction's part of the update
    direction: float  # of rank 0, for a direction in the rest of the update
    generation: float  # of rank 0, for a generation: update and record
    doubling: float  # of everybody: broadcasts and reductions of a generation between two ranks


@dataclass(frozen=True)
class Case:
    """Generations whose directions take `seconds` on average, from half of it to one and a half."""

    seconds: float
    directions: int  # of a generation; for each rank if `each`
    each: bool = False


CASES = {
    "half-second episodes, 20 directions a rank": Case(1.0, 20, each=True),
    "half-second episodes, 40,000 directions": Case(1.0, 40_000),
    "humanoid_bullet, popsize=80000": Case(2 * 150 * 0.2e-3, 40_000),  # episodes of 150 steps, 0.2 ms each
}


def output(n: int, *command: str) -> str:
    """Output of Python on so many ranks."""
    return common.output([common.mpiexec(), "-n", str(n), sys.executable, *command])


def generation_of_rank_0(directions: int, generations: int) -> float:
    """Seconds of update and record, by the account of a run on one rank."""
    settings = [f"popsize={2 * directions}", f"niters={generations}", "popsize_max=None", "num_interactions=None"]
    settings += ["env_name=CartPole-v1", "re_eval_env_name=CartPole-v1", "num_hidden=1", f"hidden_size={UNITS}"]
    settings += ["obs_norm=True", "max_episode_length=1", "re_eval_interval=1000", "re_eval_num_episodes=1", "seed=1"]
    with tempfile.TemporaryDirectory() as folder:
        output(1, "-c", TRAINING, "-l", "ERROR", "-F", folder, "with", *settings)
        account = json.loads(Path(folder, "1", "info.json").read_text())["profile"]
    return (account["update"][0] + account["recording"][0]) / generations


def seconds_per_sum(count: int = 2000) -> float:
    """Time of one rank for a direction's part of the update."""
    seeds, ones = seed_table(1, 0, count), np.ones(count, np.int64)
    began = time.process_time()
    weighted_sums(PARAMETERS, seeds, ones, ones)
    return (time.process_time() - began) / count


def costs(repeats: int) -> Costs:
    """Measure them; medians."""

    def measure(function: Callable[..., float], *args: int) -> float:
        return statistics.median(function(*args) for _ in range(repeats))

    sums = measure(seconds_per_sum)
    few, many = 50, 2050
    of_few, of_many = measure(generation_of_rank_0, few, 40), measure(generation_of_rank_0, many, 10)
    direction = max(0.0, (of_many - of_few) / (many - few) - sums)
    return Costs(
        message=measure(lambda: float(output(3, "-c", MESSAGES))),
        sums=sums,
        direction=direction,
        generation=of_few - few * (sums + direction),
        doubling=measure(lambda: float(output(2, "-c", COLLECTIVES, str(PARAMETERS), "40000"))),
    )


def hand_out(seconds: NDArray[Any], size: int, message: float) -> float:
    """The model: seconds until the results of all directions, which take `seconds`, have reached rank 0."""
    tasks, mean = Rounds(len(seconds)), float(seconds.mean())
    queues: list[deque[int]] = [deque() for _ in range(size)]
    running: list[tuple[float, int, int]] = []  # when it ends, the rank, the task
    working = [False] * size
    free = 0.0  # when rank 0 has answered all so far

    def supply(rank: int) -> None:
        two = should_hold_two(tasks.available / size, mean, _LONGEST_NAP)
        while working[rank] + len(queues[rank]) < 1 + two and (task := tasks.next()) is not None:
            if working[rank]:
                queues[rank].append(task)
            else:
                working[rank] = True
                heapq.heappush(running, (free + seconds[task], rank, task))

    for rank in range(size):
        free += message
        supply(rank)
    while running:
        now, rank, task = heapq.heappop(running)
        working[rank] = bool(queues[rank])
        if queues[rank]:
            following = queues[rank].popleft()
            heapq.heappush(running, (now + seconds[following], rank, following))
        free = max(free, now + _LONGEST_NAP) + message  # rank 0 and the rank look at their messages now and then
        tasks.record(task, Result((0.0, 0.0), (0, 0)), rank)
        supply(rank)
    return free + size * message  # and tells them that it was the last


def generation(seconds: NDArray[Any], size: int, cost: Costs) -> float:
    """The model: seconds of a whole generation."""
    count = len(seconds)
    alone = size == 1
    evaluated = float(seconds.sum()) if alone else hand_out(seconds, size, cost.message)
    update = cost.generation + count * (cost.direction + cost.sums / size)
    return evaluated + update + math.ceil(math.log2(size)) * cost.doubling


def curve(case: Case, cost: Costs) -> dict[int, tuple[float, float]]:
    """By number of ranks: (ideal list scheduling's share of the generation, episodes' share of the ranks' time)."""
    found = {}
    for size in SIZES:
        count = case.directions * (size if case.each else 1)
        seconds = case.seconds * np.random.default_rng(0).uniform(0.5, 1.5, count)
        taken = generation(seconds, size, cost)
        found[size] = ranks.ideal(seconds, size, Rounds(count)) / taken, float(seconds.sum()) / size / taken
    return found


def measured(size: int, repeats: int) -> dict[str, float]:
    """Ideal list scheduling's share of generations of sleeping ranks, by kind of population."""
    program = Path(__file__).parent / "ranks.py"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ranks.json")
        output(size, str(program), "--repeats", str(repeats), "--json", str(path))
        rows = json.loads(path.read_text())["rows"]
    return {row["population"]: 1 / row["ratio (median)"] for row in rows}


def draw(path: Path, curves: dict[str, dict[int, tuple[float, float]]], points: dict[int, dict[str, float]]) -> None:
    """The picture of scaling."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for name, found in curves.items():
        axes.plot(list(found), [100 * of_ideal for of_ideal, _ in found.values()], label=f"model: {name}")
    for population, marker in (("fixed", "o"), ("adaptive", "s")):
        if points:
            values = [100 * point[population] for point in points.values()]
            axes.plot(list(points), values, marker, label=f"measured: sleeping ranks, {population} population")
    axes.axvline(2000, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", ylim=(0, 110), xlabel="ranks", ylabel="% of ideal list scheduling's speed")
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = common.parser(__doc__)
    parser.set_defaults(repeats=3)
    parser.add_argument(
        "--ranks",
        metavar="N",
        type=make_minimum(1),
        nargs="*",
        default=[2, 8, 32, 64],
        help="numbers of ranks to measure",
    )
    parser.add_argument("--picture", metavar="FILE", type=common.writable, help="draw the curves (needs matplotlib)")
    args = parser.parse_args()
    cost = costs(args.repeats)
    points = {size: measured(size, args.repeats) for size in common.each(args.ranks, " ranks")}
    curves = {name: curve(case, cost) for name, case in CASES.items()}
    spent: list[common.Row] = [
        {"what": "message", "us": 1e6 * cost.message},
        {"what": "sums, a direction", "us": 1e6 * cost.sums},
        {"what": "rest of the update, a direction", "us": 1e6 * cost.direction},
        {"what": "update and record, a generation", "us": 1e6 * cost.generation},
        {"what": "broadcasts and reductions, a doubling of ranks", "us": 1e6 * cost.doubling},
    ]
    limit = round(1 / cost.message)
    common.report(f"Costs; with directions of 1 s rank 0 has no time left at {limit} ranks", spent)
    found: list[common.Row] = [
        {"what": f"measured, {population}", **{f"{size}": f"{point[population]:.1%}" for size, point in points.items()}}
        for population in ("fixed", "adaptive")
    ]
    for name, shares in curves.items():
        cells = {f"{size}": f"{of_ideal:.0%} ({episodes:.0%})" for size, (of_ideal, episodes) in shares.items()}
        found.append({"what": f"model, {name}", **cells})
    title = (
        "Speed, in % of ideal list scheduling's, by number of ranks (in brackets: episodes' part of the ranks' time)"
    )
    common.report(title, found)
    if args.json:
        common.write_json(title, [*spent, *found], args.json)
    if args.picture:
        draw(args.picture, curves, points)


if __name__ == "__main__":
    main()

"""ask() and tell() of the class alone, on one thread and on all cores, against EvoTorch's PGPE.

    python benchmarks/ask_tell.py

A generation is `ask`, then `tell` with fitnesses that cost nothing; its wall time and the most memory that its process
has had. EvoTorch gets a virtual environment of its own, that of evotorch.py. Its `step()` draws the population,
evaluates and updates: the function that it is given returns numbers that cost nothing, too.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import common
import evotorch

from mpi_pgpe.base.arguments import make_minimum

OURS = """
import json, resource, sys, time
import numpy as np
from mpi_pgpe import PGPE
popsize, size, generations = json.loads(sys.argv[1])
search = PGPE(solution_length=size, popsize=popsize, seed=1)
fitnesses = np.random.default_rng(0).standard_normal(popsize)
def generation():
    search.ask()
    search.tell(fitnesses)
"""

EVOTORCH = """
import json, logging, resource, sys, time, warnings
warnings.simplefilter("ignore")
import torch
from evotorch import Problem
from evotorch.algorithms import PGPE
from evotorch.decorators import vectorized
popsize, size, generations = json.loads(sys.argv[1])
fitnesses = torch.randn(popsize, generator=torch.Generator().manual_seed(0))
problem = Problem("max", vectorized(lambda solutions: fitnesses), solution_length=size, initial_bounds=(0, 0), seed=1)
search = PGPE(problem, popsize=popsize, center_learning_rate=0.075, stdev_learning_rate=0.1, stdev_init=0.1,
              optimizer="clipup", optimizer_config={"max_speed": 0.15}, ranking_method="centered")
generation = search.step
"""

MEASURE = """
taken = []
for _ in range(generations + 1):
    began = time.perf_counter()
    generation()
    taken.append(time.perf_counter() - began)
print(json.dumps([min(taken[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measure(python: Path, program: str, threads: int, work: tuple[int, int, int]) -> tuple[float, float]:
    """(seconds of a generation, megabytes)."""
    argv = ["env", f"OMP_NUM_THREADS={threads}", str(python), "-c", program + MEASURE, json.dumps(work)]
    seconds, megabytes = json.loads(common.output(argv).splitlines()[-1])
    return seconds, megabytes


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--popsize", metavar="N", type=make_minimum(2), default=1000, help="solutions")
    parser.add_argument("--parameters", metavar="N", type=make_minimum(1), default=100_000, help="of each solution")
    parser.add_argument("--generations", metavar="N", type=make_minimum(1), default=3, help="the best of so many")
    parser.add_argument("--without-evotorch", action="store_true", help="this program's class alone")
    parser.add_argument(
        "--venv", metavar="FOLDER", type=Path, default=Path(tempfile.gettempdir(), "mpi_pgpe_evotorch"),
        help="EvoTorch's virtual environment",
    )  # fmt: skip
    args = parser.parse_args()
    cores, work = len(os.sched_getaffinity(0)), (args.popsize, args.parameters, args.generations)
    own = Path(sys.executable)
    sides = {"one thread": (own, OURS, 1), f"{cores} threads": (own, OURS, cores)}
    if not args.without_evotorch:
        sides["EvoTorch"] = (evotorch.environment(args.venv.absolute()), EVOTORCH, cores)
    turns = [{name: measure(*side, work) for name, side in sides.items()} for _ in range(args.repeats)]
    rows = [
        {
            "side": name,
            "seconds a generation": statistics.median(turn[name][0] for turn in turns),
            "MB": statistics.median(turn[name][1] for turn in turns),
            "of one thread": statistics.median(turn[name][0] / turn["one thread"][0] for turn in turns),
        }
        for name in sides
    ]
    common.report(f"ask and tell of {args.popsize} x {args.parameters}", rows, args.json)


if __name__ == "__main__":
    main()

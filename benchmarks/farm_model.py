#!/usr/bin/env python
"""How many ranks one run can use well: measured with an environment that sleeps, and by a model beyond this machine.

    python benchmarks/farm_model.py [--ranks 2 8 32] [--seconds 0.25] [--json]

A sleeping environment takes time but no core, so many ranks fit on few cores. The model plays one generation: ranks
take a direction, hold a second one, and send the result to rank 0, which needs a measured time for each message, one
after another; then the update, whose sums are shared. What is left out: the network's latency inside a hand-out
(ranks do not wait for it, because they hold a second direction) and rank 0's own episodes.
"""

from __future__ import annotations

import argparse
import heapq
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mpi_pgpe.one_thread  # noqa: F401
from mpi_pgpe.noise import seed_table, weighted_sums

SLEEPY = """
import time
import gym
import numpy as np
class Sleepy(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    def __init__(self, seconds): self.seconds = seconds
    def reset(self, *, seed=None, options=None):
        self.left = self.seconds * np.random.default_rng(seed).uniform(0.5, 1.5)
        return np.zeros(4, np.float32), {}
    def step(self, action):
        nap = min(self.left, 0.02)
        time.sleep(nap)
        self.left -= nap
        return np.zeros(4, np.float32), float(action[0]), self.left <= 0, False, {}
"""

MESSAGES = """
import time
import numpy as np
from mpi_pgpe.farm import Farm
from mpi_pgpe.schedule import COLUMNS, Rounds
farm, n, result = Farm(root_evaluates=False), 4000, np.ones(COLUMNS)
began = time.process_time()
if farm.rank == 0:
    farm.hand_out(Rounds(n), None)
    print((time.process_time() - began) / n)
else:
    farm.take(lambda task, poll: result)
farm.goodbye()
"""

# The paper's runs when episodes have become long: directions in a generation, seconds of two episodes, parameters.
# Steps times the time of a step: MuJoCo's Humanoid 0.22 ms, Walker2d 0.08 ms, PyBullet's humanoid 0.45 ms.
PAPER = {
    "walker2d": (50, 2 * 750 * 0.08e-3, 108),
    "humanoid": (100, 2 * 750 * 0.22e-3, 6409),
    "humanoid_bullet": (5000, 2 * 150 * 0.45e-3, 3985),
    "humanoid_bullet, popsize_max": (40000, 2 * 150 * 0.45e-3, 3985),
}


def mpiexec(ranks: int, *command: str, cwd: str | None = None) -> str:
    """Output of Python on so many ranks."""
    beside = Path(sys.executable).parent / "mpiexec"
    launcher = str(beside) if beside.exists() else "mpiexec"
    argv = [launcher, "-n", str(ranks), sys.executable, *command]
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=cwd).stdout


def seconds_per_message() -> float:
    """Rank 0's processor time for a direction that another rank evaluates: its result in, the next one out."""
    return min(float(mpiexec(3, "-c", MESSAGES)) for _ in range(2))


def seconds_per_sum(parameters: int) -> float:
    """Time of one rank for a direction's part of the update."""
    count = max(8, 2_000_000 // parameters)
    seeds, ones = seed_table(1, 0, count), np.ones(count, np.int64)
    began = time.perf_counter()
    weighted_sums(parameters, seeds, ones, ones)
    return (time.perf_counter() - began) / count


def generation(ranks: int, durations: np.ndarray, message: float, update: float) -> float:
    """The model: seconds of a generation whose directions take so long."""
    left = list(durations[::-1])
    running = [(left.pop(), rank) for rank in range(min(ranks, len(left)))]  # when it is done, by whom
    heapq.heapify(running)
    second = [left.pop() if len(left) > ranks else None for _ in range(ranks)]  # what a rank holds beside that,
    ready = [0.0] * ranks  # and since when
    free = 0.0  # when rank 0 has answered all so far
    while running:
        now, rank = heapq.heappop(running)
        free = max(free, now) + message
        if (held := second[rank]) is not None:
            heapq.heappush(running, (max(now, ready[rank]) + held, rank))
        elif left:
            heapq.heappush(running, (free + left.pop(), rank))
        second[rank], ready[rank] = (left.pop() if len(left) > ranks else None), free
    return free + update


def efficiency(ranks: int, durations: np.ndarray, message: float, sums: float) -> float:
    """Share of the ranks' time that goes into episodes."""
    update = len(durations) * sums / ranks
    return float(durations.sum() / ranks / generation(ranks, durations, message, update))


def measured(ranks: int, seconds: float, message: float) -> dict[str, float]:
    """Efficiency of a real run with sleeping episodes, beside that of the model."""
    directions, generations = 8 * ranks, 3
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sleepy_benchmark.py").write_text(SLEEPY)
        settings = [
            "env_name=sleepy_benchmark:Sleepy", f"env_config.seconds={seconds}", f"popsize={2 * directions}",
            "popsize_max=None", "num_interactions=None", f"niters={generations}", "num_hidden=0", "obs_norm=True",
            "re_eval_interval=1000", "seed=1",
        ]  # fmt: skip
        program = f"import sys; sys.path.insert(0, {folder!r}); from mpi_pgpe.train import entry_point; entry_point()"
        output = mpiexec(ranks, "-c", program, "-l", "ERROR", "-F", "results", "with", *settings, cwd=folder)
    elapsed = [float(found) for found in re.findall(r"pop_elapsed=([\d.]+)", output)][1:]  # the first one imports
    rng = np.random.default_rng(0)
    durations = seconds * rng.uniform(0.5, 1.5, (directions, 2)).sum(1)
    return {
        "ranks": ranks,
        "measured": float(directions * 2 * seconds / ranks / np.mean(elapsed)),
        "model": efficiency(ranks, durations, message, seconds_per_sum(10)),
    }


def main() -> None:
    """Run the command."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ranks", type=int, nargs="+", default=[2, 8, 32], help="numbers to measure (default %(default)s)")
    p.add_argument("--seconds", type=float, default=0.25, help="mean length of an episode (default %(default)s)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    args = p.parse_args()
    message = seconds_per_message()
    runs = [measured(ranks, args.seconds, message) for ranks in args.ranks]
    sizes = [25, 50, 100, 250, 500, 1000, 2000, 5000, 10000]
    model = {}
    for name, (directions, seconds, parameters) in PAPER.items():
        durations = seconds * np.random.default_rng(0).uniform(0.8, 1.2, directions)
        sums = seconds_per_sum(parameters)
        model[name] = {n: efficiency(n, durations, message, sums) for n in sizes if n <= directions}
    if args.json:
        print(json.dumps({"seconds_per_message": message, "runs": runs, "model": model}))
        return
    print(
        f"rank 0 needs {1e6 * message:.0f} us a direction; with directions of 0.5 s: {0.5 / message:.0f} ranks at most"
    )
    for row in runs:
        print(f"{row['ranks']:>3} ranks: {row['measured']:.0%} of their time in episodes (model {row['model']:.0%})")
    print("model:" + "".join(f"{n:>7}" for n in sizes) + " ranks")
    for name, row in model.items():
        print(f"{name:>30}: " + " ".join(f"{n}: {share:.0%}" for n, share in row.items()))


if __name__ == "__main__":
    main()

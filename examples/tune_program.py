"""Tune a simulation that is a program of its own: `python tune_program.py [GENERATIONS]`, or under mpirun.

The shot is to come down at 60 m, with little speed at the start.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import mpi_pgpe

PROGRAM = [sys.executable, "-S", str(Path(__file__).with_name("cannon_program.py"))]


def fitness(solution: np.ndarray) -> float:
    """Minus what the program prints for an angle and a speed."""
    angle, speed = np.clip(solution * [0.1, 5.0] + [0.5, 20.0], [0.01, 1.0], [1.5, 100.0])
    done = subprocess.run(PROGRAM, input=f"{angle} {speed}", capture_output=True, text=True, check=True)
    return -float(done.stdout)


if __name__ == "__main__":
    result = mpi_pgpe.maximize(
        fitness,
        solution_length=2,
        niters=int(sys.argv[1]) if len(sys.argv) > 1 else 15,
        popsize=16,
        stdev=1.0,
        seed=1,
        episode_timeout=60,
        on_episode_error="worst",
        verbose=False,
    )
    print(f"cost: {-result.best_fitness:.2f}; state_digest={result.state_digest}")

"""A test function of 1,000 dimensions, evaluated in batches: `python ellipsoid.py [GENERATIONS]`, or under mpirun."""

from __future__ import annotations

import sys

import numpy as np

import mpi_pgpe

DIMENSIONS = 1000
SCALES = np.linspace(1, 10, DIMENSIONS)
BEST = np.random.default_rng(0).normal(size=DIMENSIONS)


def ellipsoid(solutions: np.ndarray) -> np.ndarray:
    """The fitness of each solution, shape (n,); solutions have shape (n, 1000)."""
    return -np.sum(SCALES * (solutions - BEST) ** 2, axis=1)


if __name__ == "__main__":
    result = mpi_pgpe.maximize(
        ellipsoid,
        solution_length=DIMENSIONS,
        batch=True,
        niters=int(sys.argv[1]) if len(sys.argv) > 1 else 200,
        popsize=400,
        stdev=0.1,
        max_speed=0.5,
        seed=1,
        verbose=False,
    )
    before, after = ellipsoid(np.stack([np.zeros(DIMENSIONS), result.center]))
    print(
        f"fitness of the center: {before:.1f} at the start, {after:.3f} at the end; state_digest={result.state_digest}"
    )

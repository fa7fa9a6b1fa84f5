"""The search on the classics, with stated settings and stated results; it maximises, so they are negated."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import PGPE


def sphere(x: np.ndarray) -> np.ndarray:
    return -np.sum(x.astype(np.float64) ** 2, axis=-1)


def rastrigin(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return -np.sum(x**2 + 10 * (1 - np.cos(2 * np.pi * x)), axis=-1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return -np.sum(100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2, axis=-1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("function", "start", "settings", "generations", "reached"),
    [
        (sphere, 3.0, {"stdev_init": 0.3}, 300, -0.02),
        # From the local optimum (3, ..., 3), -90, to the global one's basin: the best of the others has -0.99.
        (rastrigin, 3.0, {"popsize": 400, "stdev_init": 1.5, "stdev_learning_rate": 0.5}, 300, -0.9),
        # Into the valley and along it: (0, ..., 0) in the valley has -9.
        (rosenbrock, 2.0, {"optimizer_config": {"max_speed": 0.05}, "stdev_init": 0.1}, 1000, -4.5),
    ],
    ids=["sphere", "rastrigin", "rosenbrock"],
)
def test_it_optimizes_ten_parameters(function, start, settings, generations, reached, seed):
    defaults = {"popsize": 50, "optimizer_config": {"max_speed": 0.1}}
    search = PGPE(**defaults | settings, solution_length=10, center_init=start, seed=seed)
    assert function(search.center) < 20 * reached
    for _ in range(generations):
        search.tell(function(search.ask()))
    assert function(search.center) > reached

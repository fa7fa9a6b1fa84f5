"""Functions to maximize."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def sphere(x: Vector) -> float:
    """Best at (1, 1, ...)."""
    return -float(np.sum((x - 1) ** 2))


def counted(x: Vector) -> tuple[float, int]:
    """With 7 interactions."""
    return sphere(x), 7


def noisy(x: Vector, seed: int) -> float:
    """With noise from its seed and from the global generators."""
    return sphere(x) + np.random.default_rng(seed).normal() + np.random.normal() + random.gauss(0, 1)


def overwriting(x: Vector) -> float:
    """The sphere, which leaves nothing of its argument."""
    value = sphere(x)
    x[:] = np.nan
    return value


CALLS: list[tuple[Any, Any]] = []


def batch(x: Vector, seed: NDArray[np.int64]) -> tuple[Vector, NDArray[np.int64]]:
    """The sphere of many, with interactions."""
    CALLS.append((x.copy(), seed.copy()))
    return -np.sum((x - 1) ** 2, axis=1) + seed / 2**40, np.full(len(x), 3)


def block_matters(x: Vector) -> Vector:
    """Of many, in a way that depends on who is evaluated together."""
    return -np.sum((x - x.mean(axis=0)) ** 2, axis=1) - len(x)


def sometimes(x: Vector, seed: int) -> float:
    """Raises for a third of the seeds."""
    if seed % 3 == 0:
        raise RuntimeError("out of fuel")
    return sphere(x)


def sometimes_nan(x: Vector, seed: int) -> float:
    """NaN for a third of the seeds."""
    return sphere(x) if seed % 3 else float("nan")


def at_the_end_of_the_world(x: Vector) -> float:
    """-inf where the first coordinate is negative."""
    return sphere(x) if x[0] > 0 else -np.inf


def for_ever(x: Vector) -> float:
    """Does not return."""
    while True:
        pass


def leaving(x: Vector) -> float:
    """Ends the process."""
    os._exit(3)


class Task:
    """With a method."""

    @staticmethod
    def value(x: Vector) -> float:
        """The sphere."""
        return sphere(x)


RETURNS: dict[str, Any] = {
    "nan": float("nan"),
    "infinite": np.inf,
    "complex": 1 + 2j,
    "complex_array": np.array(1j),
    "none": None,
    "text": "3",
    "vector": np.zeros(3),
    "one_in_a_list": [1.0],
    "three": (1.0, 2, 3),
    "negative_steps": (1.0, -2),
    "half_a_step": (1.0, 0.5),
    "text_steps": (1.0, "many"),
}


def __getattr__(name: str) -> Any:
    if name.removeprefix("returns_") in RETURNS:
        value = RETURNS[name.removeprefix("returns_")]
        return lambda x: value
    raise AttributeError(name)


def short(x: Vector) -> Vector:
    """Of a batch, one too few."""
    return np.zeros(len(x) - 1)


def table(x: Vector) -> Vector:
    """Of a batch, the wrong shape."""
    return np.zeros((len(x), 1))


def one_nan(x: Vector) -> Vector:
    """Of a batch, NaN for the second."""
    return np.where(np.arange(len(x)) == 1, np.nan, 0.0)


def complex_batch(x: Vector) -> Any:
    """Of a batch, complex numbers."""
    return np.zeros(len(x), complex)


def number(x: Vector) -> float:
    """Of a batch, one number."""
    return 1.0

"""The noise is a function of its seed alone, on its grid, normal; its sums are exact in any order."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.search.noise import GRID, Noise, weighted_sums
from mpi_pgpe.search.seeds import seed_table


def sums_of_python_integers(size: int, seeds, a, b) -> list[list[int]]:
    """weighted_sums once more, in integers that cannot overflow or be rounded."""
    total = [[0] * size, [0] * size]
    for seed, a_i, b_i in zip(seeds, a, b, strict=True):
        for j, e in enumerate(Noise(size).direction(seed)):
            units = int(float(e) / GRID)  # exact, as e is a multiple of GRID
            # e^2 in units of GRID is units^2 / 2^16, rounded half to even.
            quotient, rest = divmod(units * units, 2**16)
            squared = quotient + (rest > 2**15 or (rest == 2**15 and quotient % 2))
            total[0][j] += int(a_i) * units
            total[1][j] += int(b_i) * (squared - 2**16)
    return total


def table_and_weights(n: int, largest: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-largest, largest, (2, n), endpoint=True)
    return seed_table(seed, 0, n), a, b


def test_a_direction_depends_on_its_seed_alone():
    noise = Noise(1001)
    first = noise.direction(7)
    assert not np.array_equal(first, noise.direction(8))
    np.testing.assert_array_equal(noise.direction(7), first)
    np.testing.assert_array_equal(Noise(1001).direction(np.uint64(7)), first)


def test_a_direction_is_on_the_grid():
    e = Noise(10_000).direction(3)
    assert e.dtype == np.float32
    units = e.astype(np.float64) * 2**16
    np.testing.assert_array_equal(units, np.rint(units))


def test_directions_are_standard_normal():
    n, size = 200, 5000
    noise = Noise(size)
    e = np.array([noise.direction(seed) for seed in seed_table(5, 0, n)], np.float64)
    # Tolerances: five standard errors of each figure over a million independent normal numbers.
    error = 5 / np.sqrt(n * size)
    assert abs(e.mean()) < error
    assert abs(e.var() - 1) < np.sqrt(2) * error
    assert abs((e**3).mean()) < np.sqrt(15) * error
    assert abs((e**4).mean() - 3) < np.sqrt(96) * error
    # Directions are independent of one another, and so are the elements of one.
    assert abs((e[1:] * e[:-1]).mean()) < error
    assert abs((e[:, 1:] * e[:, :-1]).mean()) < error


@pytest.mark.parametrize(
    ("n", "size", "largest"),
    [(0, 3, 5), (1, 1, 5), (17, 9, 1000), (1100, 2, 2**21), (3, 300, 2**21), (2, 40_000, 2**21)],
    ids=["none", "one", "few", "beyond 512 directions", "wide", "in parts"],
)
def test_weighted_sums_equal_those_of_python_integers(n, size, largest):
    seeds, a, b = table_and_weights(n, largest)
    np.testing.assert_array_equal(weighted_sums(size, seeds, a, b), sums_of_python_integers(size, seeds, a, b))


def test_weighted_sums_are_exact_where_float64_would_round():
    """Large weights, all of one sign, on the same direction: sums beyond 2^53."""
    n, size = 60_000, 8
    seeds = np.full(n, seed_table(0, 0, 1)[0])
    a, b = 2**21 - np.random.default_rng(0).integers(0, 1000, (2, n))
    sums = weighted_sums(size, seeds, a, b).tolist()
    one = sums_of_python_integers(size, seeds[:1], [1], [1])
    assert sums == [[sum(weights.tolist()) * x for x in row] for weights, row in zip((a, b), one, strict=True)]
    assert max(abs(x) for row in sums for x in row) > 2**53


@pytest.mark.parametrize("size", [1, 130, 70_000])
def test_any_split_and_order_of_directions_gives_the_same_sums(size):
    n = 60 if size > 1000 else 1500
    seeds, a, b = table_and_weights(n, 2**21, seed=size)
    whole = weighted_sums(size, seeds, a, b)
    rng = np.random.default_rng(size)
    for parts in (1, 2, 3, 7):
        order = rng.permutation(n)
        cuts = np.sort(rng.integers(0, n, parts - 1, endpoint=True))
        shared = sum(weighted_sums(size, seeds[own], a[own], b[own]) for own in np.split(order, cuts))
        np.testing.assert_array_equal(shared, whole)

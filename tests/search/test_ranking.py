"""Fitnesses become weights: centered ranks or raw, with ties, NaN and infinities in their place."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.search.ranking import centered_ranks, raw

NAN, INF = np.nan, np.inf


def ranks_by_counting(fitnesses) -> list[float]:
    """The definition, written out: a rank is the number of those that are worse, or equal and earlier."""
    keys = [(f if np.isfinite(f) else -INF, i) for i, f in enumerate(fitnesses)]
    return [sum(other < key for other in keys) / (len(keys) - 1) - 0.5 for key in keys]


@pytest.mark.parametrize(
    "fitnesses",
    [
        [1.0, 2.0],
        [3.0, 1.0, 2.0, 0.0],
        [5.0, 5.0, 1.0, 5.0, 1.0],
        [0.0, -0.0, 0.0, -0.0],
        [NAN, 1.0, -1e308, 2.0],
        [INF, 1.0, -INF, NAN, 2.0, INF],
        [NAN] * 6,
    ],
    ids=str,
)
def test_centered_ranks_equal_the_definition(fitnesses):
    weights = centered_ranks(fitnesses)
    np.testing.assert_allclose(weights.values, ranks_by_counting(fitnesses), rtol=0, atol=1e-15)


def test_centered_ranks_of_many_with_ties_and_nan():
    rng = np.random.default_rng(0)
    for n in (2, 10, 251):
        fitnesses = rng.integers(0, 10, n).astype(float)
        fitnesses[rng.random(n) < 0.2] = NAN
        values = centered_ranks(fitnesses).values
        np.testing.assert_allclose(values, ranks_by_counting(fitnesses), rtol=0, atol=1e-15)
        assert values.min() == -0.5
        assert values.max() == 0.5
        assert centered_ranks(fitnesses).integers.sum() == 0


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_not_finite_is_worst(bad):
    fitnesses = [-1e300, bad, 0.0, 1e300]
    assert centered_ranks(fitnesses).values.argmin() == 1
    np.testing.assert_array_equal(raw(fitnesses).integers, raw([-1e300, -1e300, 0.0, 1e300]).integers)


def test_raw_weights_are_distances_from_the_mean():
    fitnesses = np.random.default_rng(1).normal(3, 100, 50)
    distances = fitnesses - fitnesses.mean()
    np.testing.assert_allclose(raw(fitnesses).values, distances, rtol=0, atol=np.abs(distances).max() * 2**-20)


@pytest.mark.parametrize(
    "fitnesses", [[2.5] * 4, [NAN] * 4, [INF, -INF], [NAN, 3.0, 3.0], [0.1] * 6, [1.7e308] * 4], ids=str
)
def test_raw_weights_are_zero_without_a_difference(fitnesses):
    np.testing.assert_array_equal(raw(fitnesses).values, np.zeros(len(fitnesses)))


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e300, 1.7e308])
def test_raw_weights_fit_the_exact_sums_at_any_scale(scale):
    pattern = np.array([1.0, -1.0, 1.0, 1.0, 0.5, 1.0])
    weights = raw(pattern * scale)
    assert np.abs(weights.integers).max() <= 2**20
    distances = pattern - pattern.mean()
    np.testing.assert_allclose(weights.integers * (weights.unit / scale), distances, rtol=0, atol=2**-19)

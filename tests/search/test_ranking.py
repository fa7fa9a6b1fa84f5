"""Fitnesses become weights: centered ranks or raw, with ties, NaN and infinities in their place."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.search.ranking import centered_ranks, raw_weights

NAN, INF = np.nan, np.inf


def ranks_by_counting(fitnesses, tie_breaking) -> list[float]:
    """The definitions, written out: a rank is the number of those that are worse, and of equals those that are earlier,
    or half of the others."""
    worth = [f if np.isfinite(f) else -INF for f in fitnesses]
    ranks = []
    for i, own in enumerate(worth):
        equals = worth.count(own) - 1
        ranks.append(sum(f < own for f in worth) + (equals / 2 if tie_breaking == "average" else worth[:i].count(own)))
    return [rank / (len(worth) - 1) - 0.5 for rank in ranks]


both_rules = pytest.mark.parametrize("tie_breaking", ["average", "order"])


@both_rules
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
def test_centered_ranks_equal_the_definition(fitnesses, tie_breaking):
    weights = centered_ranks(fitnesses, tie_breaking)
    np.testing.assert_allclose(weights.values, ranks_by_counting(fitnesses, tie_breaking), rtol=0, atol=1e-15)


def test_averaging_is_the_default_and_what_is_not_finite_ties():
    assert centered_ranks([1.0, 0.0, 1.0]).values.tolist() == [0.25, -0.5, 0.25]
    assert centered_ranks([NAN, INF, -INF, 3.0]).values.tolist() == pytest.approx([-1 / 6] * 3 + [0.5])
    assert not centered_ranks([7.0] * 8).integers.any()
    assert not centered_ranks([NAN] * 8).integers.any()


def test_without_equal_fitnesses_both_rules_give_the_same_bits():
    fitnesses = np.random.default_rng(2).permutation(1001) / 7
    average, order = centered_ranks(fitnesses), centered_ranks(fitnesses, "order")
    assert average.unit == order.unit
    assert average.integers.tobytes() == order.integers.tobytes()


@both_rules
def test_centered_ranks_of_many_with_ties_and_nan(tie_breaking):
    rng = np.random.default_rng(0)
    for n in (2, 10, 251):
        fitnesses = rng.integers(0, 10, n).astype(float)
        fitnesses[rng.random(n) < 0.2] = NAN
        weights = centered_ranks(fitnesses, tie_breaking)
        expected = ranks_by_counting(fitnesses, tie_breaking)
        np.testing.assert_allclose(weights.values, expected, rtol=0, atol=1e-15)
        assert weights.integers.sum() == 0
        assert weights.integers.dtype == np.int64
        if tie_breaking == "order":
            assert (weights.values.min(), weights.values.max()) == (-0.5, 0.5)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_not_finite_is_worst(bad):
    fitnesses = [-1e300, bad, 0.0, 1e300]
    assert centered_ranks(fitnesses).values.argmin() == 1
    np.testing.assert_array_equal(raw_weights(fitnesses).integers, raw_weights([-1e300, -1e300, 0.0, 1e300]).integers)


def test_raw_weights_are_distances_from_the_mean():
    fitnesses = np.random.default_rng(1).normal(3, 100, 50)
    distances = fitnesses - fitnesses.mean()
    np.testing.assert_allclose(raw_weights(fitnesses).values, distances, rtol=0, atol=np.abs(distances).max() * 2**-20)


@pytest.mark.parametrize(
    "fitnesses", [[2.5] * 4, [NAN] * 4, [INF, -INF], [NAN, 3.0, 3.0], [0.1] * 6, [1.7e308] * 4], ids=str
)
def test_raw_weights_are_zero_without_a_difference(fitnesses):
    np.testing.assert_array_equal(raw_weights(fitnesses).values, np.zeros(len(fitnesses)))


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e300, 1.7e308])
def test_raw_weights_fit_the_exact_sums_at_any_scale(scale):
    pattern = np.array([1.0, -1.0, 1.0, 1.0, 0.5, 1.0])
    weights = raw_weights(pattern * scale)
    assert np.abs(weights.integers).max() <= 2**20
    distances = pattern - pattern.mean()
    np.testing.assert_allclose(weights.integers * (weights.unit / scale), distances, rtol=0, atol=2**-19)

"""Moments against numpy on the stacked data."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.policies.normalization import VARIANCE_FLOOR, Moments


def observed(*batches: np.ndarray) -> Moments:
    moments = Moments(batches[0].shape[1])
    for batch in batches:
        moments.observe(batch)
    return moments


def batches(dtype=np.float32) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    scale, shift = np.array([0.001, 1.0, 30.0, 1000.0]), np.array([0.0, -5.0, 100.0, 1e4])
    return [(rng.normal(size=(n, 4)) * scale + shift).astype(dtype) for n in (1, 200, 3, 0, 57)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_equal_numpys_on_the_stacked_data(dtype):
    data = np.concatenate(batches(dtype)).astype(np.float64)
    moments = observed(*batches(dtype))
    assert moments.count == len(data)
    np.testing.assert_allclose(moments.mean(), data.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = np.sqrt(np.maximum(data.var(axis=0), VARIANCE_FLOOR))
    assert expected[0] == np.sqrt(VARIANCE_FLOOR)  # the floor is met
    np.testing.assert_allclose(moments.stdev(), expected, rtol=1e-9)


def test_sums_are_in_float64():
    """A million float32 steps of 0.1: float32 sums would be off by a percent."""
    moments = observed(np.full((1000, 1), 0.1, np.float32))
    for _ in range(999):
        moments.observe(np.full((1000, 1), 0.1, np.float32))
    assert moments.mean()[0] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_observing_leaves_the_observations_as_they_were():
    batch = np.full((2, 3), 2.0)
    observed(batch)
    np.testing.assert_array_equal(batch, np.full((2, 3), 2.0))


def test_merging_equals_observing_all():
    first, *others = batches()
    merged = observed(first)
    for batch in others:
        merged.merge(observed(batch))
    together = observed(first, *others)
    assert merged.count == together.count
    np.testing.assert_array_equal(merged.sum, together.sum)
    np.testing.assert_array_equal(merged.sumsq, together.sumsq)


def test_before_the_first_observation_nothing_is_scaled():
    moments = Moments(3)
    np.testing.assert_array_equal(moments.mean(), np.zeros(3))
    np.testing.assert_array_equal(moments.stdev(), np.ones(3))


@pytest.mark.parametrize(("odd", "finite"), [(1e150, True), (np.nan, False), (-np.inf, False), (1e200, False)])
def test_what_is_not_finite_shows(odd, finite):
    with np.errstate(over="ignore"):
        assert observed(np.array([[1.0, odd], [2.0, 3.0]])).finite() is finite

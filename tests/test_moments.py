"""Moments against numpy on the stacked data; sums of them that have the same bits in any order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mpi_pgpe.base.exact_sums import exact_parts, from_parts, largest
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


# -- exact sums -------------------------------------------------------------------------------------------


def shared_sum(terms: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The sums of the columns, as ranks compute them that own some terms each."""
    own = [terms[owners == rank] for rank in range(owners.max(initial=0) + 1)]
    ceiling = np.max([largest(t) for t in own], axis=0)
    return from_parts(sum(exact_parts(t, ceiling) for t in own), ceiling)


def assert_close_to_fsum(sums: np.ndarray, terms: np.ndarray) -> None:
    for total, column in zip(sums, terms.T, strict=True):
        exact = math.fsum(column)
        cut_off = len(column) * np.abs(column).max(initial=0) * 2.0**-80
        assert abs(total - exact) <= 1e-15 * abs(exact) + cut_off


wild = st.floats(-1e100, 1e100) | st.floats(-1, 1) | st.sampled_from([0.0, -0.0, 1e-300, 5e-324, 1e100, -1e100, 1 / 3])


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(0, 30).flatmap(lambda n: arrays(np.float64, (n, 3), elements=wild)), st.integers(0, 2**32))
def test_any_split_and_order_gives_the_same_bits(terms, seed):
    rng = np.random.default_rng(seed)
    alone = shared_sum(terms, np.zeros(len(terms), int))
    assert_close_to_fsum(alone, terms)
    for ranks in (1, 2, 5):
        order = rng.permutation(len(terms))
        shared = shared_sum(terms[order], rng.integers(0, ranks, len(terms)))
        assert shared.tobytes() == alone.tobytes()


@pytest.mark.parametrize("exponents", [(0, 1), (-10, 10), (-300, -290), (-300, 300)], ids=str)
def test_many_terms(exponents):
    rng = np.random.default_rng(1)
    terms = rng.normal(size=(20_000, 5)) * 10.0 ** rng.uniform(*exponents, (20_000, 5))
    terms[:, 0] = np.abs(terms[:, 0])
    alone = shared_sum(terms, np.zeros(len(terms), int))
    assert_close_to_fsum(alone, terms)
    for ranks in (2, 64):
        order = rng.permutation(len(terms))
        assert shared_sum(terms[order], rng.integers(0, ranks, len(terms))).tobytes() == alone.tobytes()
    plain = {terms[rng.permutation(len(terms))].sum(axis=0).tobytes() for _ in range(5)}
    assert len(plain) > 1  # which plain sums would not have had


def test_the_most_terms_that_are_allowed_do_not_overflow():
    terms = np.full((2**22, 1), np.nextafter(1.0, 0))
    assert from_parts(exact_parts(terms, largest(terms)), largest(terms))[0] == math.fsum(terms[:, 0])

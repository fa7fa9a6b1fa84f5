"""Moments against numpy on the stacked data."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.normalization import FAR, STDEV_FLOOR, Moments, common_reference
from mpi_pgpe.policies.spaces import ActionSpace


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
    expected = np.maximum(data.std(axis=0), STDEV_FLOOR)
    assert expected[0] == STDEV_FLOOR  # the floor is met
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
        assert observed(np.array([[1.0, odd], [2.0, 3.0]])).is_finite() is finite


# -- far from zero ----------------------------------------------------------------------------------------

MEANS = np.array([0.0, 3e6, -1e7, 1e5])


def far_batches() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [(MEANS + rng.normal(size=(n, 4)) * [1, 2, 30, 0.5]).astype(np.float32) for n in (300, 20, 1000, 1)]


def test_the_variance_of_observations_far_from_zero_has_all_its_digits():
    data = np.concatenate(far_batches()).astype(np.float64)
    exact = [np.sqrt(np.var(column - column[0])) for column in data.T]
    moments = Moments(4, undecided=True)
    for batch in far_batches():
        moments.observe(batch)
    np.testing.assert_allclose(moments.stdev(), exact, rtol=1e-9)
    np.testing.assert_allclose(moments.mean(), data.mean(axis=0), rtol=1e-15, atol=1e-6)
    around_zero = observed(*far_batches())
    assert np.abs(around_zero.stdev() / exact - 1).max() > 1e-4  # as it was


def test_the_first_batch_decides_and_elements_near_zero_keep_their_bits():
    moments = Moments(4, undecided=True)
    for batch in far_batches():
        moments.observe(batch)
    assert moments.reference is not None
    assert (moments.reference != 0).tolist() == [False, True, True, True]
    assert moments.reference.dtype == np.float64
    np.testing.assert_array_equal(moments.reference, moments.reference.astype(np.float32))
    plain = observed(*far_batches())
    assert (moments.sum[0], moments.sumsq[0]) == (plain.sum[0], plain.sumsq[0])


def test_nothing_far_from_zero_changes_no_bit():
    for data in (batches()[1:], [np.full((5, 4), FAR * STDEV_FLOOR * 0.99, np.float32)]):
        moments = Moments(4, undecided=True)
        for batch in data:
            moments.observe(batch)
        plain = observed(*data)
        assert moments.reference is None
        assert moments.sum.tobytes() == plain.sum.tobytes()
        assert moments.sumsq.tobytes() == plain.sumsq.tobytes()
        assert moments.stdev().tobytes() == plain.stdev().tobytes()
        assert moments.mean().tobytes() == plain.mean().tobytes()


def test_parts_of_a_batch_far_from_zero_give_the_bits_of_the_whole():
    whole, parts = (Moments(4, reference=MEANS) for _ in range(2))
    batch = far_batches()[0]
    whole.observe(batch)
    for row in batch[:-1]:
        parts.observe(row[np.newaxis], more=True)
    parts.observe(batch[-1:])
    assert (parts.sum.tobytes(), parts.sumsq.tobytes()) == (whole.sum.tobytes(), whole.sumsq.tobytes())


def test_moments_around_another_reference_are_the_same():
    moments = Moments(4, reference=MEANS)
    for batch in far_batches():
        moments.observe(batch)
    moved = moments.shift_to(MEANS + np.array([0, 1, -64, 0]))
    np.testing.assert_allclose(moved.mean(), moments.mean(), rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(moved.stdev(), moments.stdev(), rtol=1e-12)
    assert (moved.sum[[0, 3]].tobytes(), moved.sumsq[[0, 3]].tobytes()) == (
        moments.sum[[0, 3]].tobytes(),
        moments.sumsq[[0, 3]].tobytes(),
    )


def test_merged_moments_take_the_reference_of_the_first_and_move_the_others():
    data = far_batches()
    merged, together = Moments(4, undecided=True), Moments(4, undecided=True)
    for batch in data:
        one = Moments(4, undecided=True)
        one.observe(batch)
        merged.merge(one)
        together.observe(batch)
    np.testing.assert_array_equal(merged.reference, together.reference)
    np.testing.assert_allclose(merged.stdev(), together.stdev(), rtol=1e-9)


def test_the_common_reference_does_not_depend_on_the_order():
    references = [np.array([0.0, 5.0, -7.0, 2.0]), np.array([0.0, 4.0, -9.0, -3.0]), np.zeros(4)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        far = np.array([references[i] for i in order])
        common = common_reference(far.max(axis=0, initial=0), (-far).max(axis=0, initial=0))
        assert common is not None
        assert common.tolist() == [0.0, 5.0, -9.0, -3.0]
    assert common_reference(np.zeros(2), np.zeros(2)) is None


def test_a_policy_sees_what_observations_far_from_zero_have_of_their_own():
    """A linear policy against float64: of float32 products of 1e7, nothing is left of a difference of 1e-1."""
    batch = far_batches()[0]
    moments = Moments(4, undecided=True)
    moments.observe(batch)
    mean, stdev, reference = moments.normalization()
    policy = Policy(PolicyShape(4, 1), ActionSpace(1, np.full(1, -99, np.float32), np.full(1, 99, np.float32)))
    weights = np.array([0.5, -1.0, 2.0, 1.0, 0.25], np.float32)
    errors = []
    for shift in (reference, None):
        policy.load(weights, mean, stdev, shift)
        actions = [policy.act(np.append(row, np.float32(1)))[0] for row in batch]
        exact = ((batch.astype(np.float64) - mean) / stdev) @ weights[:4].astype(np.float64) + 0.25
        errors.append(np.abs(actions - exact).max())
    assert errors[0] < 1e-5
    assert errors[1] > 1e-2  # as it was


# -- the floor --------------------------------------------------------------------------------------------


def test_the_floor_of_the_stdev_is_a_setting_of_the_moments():
    small = (np.random.default_rng(0).normal(size=(1000, 1)) * 1e-4).astype(np.float32)
    lower, usual = Moments(1, stdev_floor=1e-6), Moments(1)
    for moments in (lower, usual):
        moments.observe(small)
    assert lower.stdev()[0] == pytest.approx(small.astype(np.float64).std(), rel=1e-6)
    assert usual.stdev()[0] == STDEV_FLOOR == 0.1
    assert np.sqrt(0.01) == 0.1  # so the bits are those of version 0.1.0, which had a floor of the variance

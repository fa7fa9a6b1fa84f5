"""Sums that have the same bits in any order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mpi_pgpe.base.exact_sums import find_largest, join_parts, split_exactly


def shared_sum(terms: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The sums of the columns, as ranks compute them that own some terms each."""
    own = [terms[owners == rank] for rank in range(owners.max(initial=0) + 1)]
    ceiling = np.max([find_largest(t) for t in own], axis=0)
    return join_parts(sum(split_exactly(t, ceiling) for t in own), ceiling)


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
    assert join_parts(split_exactly(terms, find_largest(terms)), find_largest(terms))[0] == math.fsum(terms[:, 0])

"""Threads share the work of a search that no ranks share; no bit changes."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mpi_pgpe.search import threads
from mpi_pgpe.search.noise import weighted_sums
from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.search.seeds import seed_table


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LEAST_ELEMENTS", 1)
    monkeypatch.setattr(threads, "count_threads", lambda: 7)


def search(symmetric: bool) -> list[bytes]:
    """All solutions, centers and stdevs of three generations."""
    found, pgpe = [], PGPE(solution_length=50, popsize=26, seed=4, symmetric=symmetric)
    for _ in range(3):
        solutions = pgpe.ask()
        pgpe.tell(-((solutions - 1) ** 2).sum(axis=1))
        found += [solutions.tobytes(), pgpe.center.tobytes(), pgpe.stdev.tobytes()]
    return found


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_search_has_the_same_bits_on_seven_threads(symmetric: bool, request: pytest.FixtureRequest) -> None:
    alone = search(symmetric)
    request.getfixturevalue("many_threads")
    assert search(symmetric) == alone


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("directions", [0, 1, 6, 7, 8, 1200])
def test_shares_make_up_the_whole(directions: int) -> None:
    parts = threads.share(lambda part: range(directions)[part], directions, 3)
    assert [item for part in parts for item in part] == list(range(directions))
    assert len(parts) == max(1, min(7, directions))
    seeds, weights = seed_table(1, 2, directions), np.arange(directions) - 5
    np.testing.assert_array_equal(
        threads.shared_sums(9, seeds, weights, -weights), weighted_sums(9, seeds, weights, -weights)
    )


def test_a_small_search_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count_threads", lambda: 7)
    assert len(threads.share(lambda part: part, 100, 100)) == 1
    assert len(threads.share(lambda part: part, 100, 10_000)) == 100 * 10_000 // threads.LEAST_ELEMENTS


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("2,4", 2), ("100000", None), ("", None), ("many", None)])
def test_threads_are_as_many_as_the_environment_says_and_there_are_cores(
    given: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    cores = len(os.sched_getaffinity(0))
    assert threads.count_threads() == (cores if expected is None else min(expected, cores))

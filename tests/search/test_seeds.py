"""Seeds, from the place of a direction or an episode in the run alone."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import PGPE
from mpi_pgpe.search.seeds import draw_run_seed, episode_seed, seed_table


def test_a_longer_seed_table_begins_with_a_shorter_one():
    table = seed_table(1, 2, 100)
    assert table.dtype == np.uint64
    for count in (0, 1, 37):
        np.testing.assert_array_equal(seed_table(1, 2, count), table[:count])


def test_seed_tables_of_runs_and_generations_differ():
    tables = [seed_table(run, generation, 50) for run in range(10) for generation in range(10)]
    assert len(np.unique(np.concatenate(tables))) == 10 * 10 * 50


def test_seed_of_an_episode_is_that_of_its_place():
    drawn = np.random.default_rng(0).integers(0, 2**32, (200, 6)).tolist()
    for place in ([0] * 6, [7, 1, 300, 39999, 1, 2], [2**32 - 1, 0, 1, 2, 0, 0], [2**32, 0, 1, 2, 0, 0], *drawn):
        assert episode_seed(*place) == np.random.SeedSequence(place).generate_state(1)[0] >> 1


# What version 0.1.0 gave; a run of it that is resumed has to play the same episodes.
@pytest.mark.parametrize(
    ("place", "seed"),
    [
        ((0, 0, 0, 0, 0, 0), 2044266242),
        ((7, 1, 300, 39999, 1, 2), 378164300),
        ((4294967295, 0, 1, 2, 0, 0), 757251829),
        ((4294967296, 0, 1, 2, 0, 0), 2062069202),
        ((1267650600228229401496703205381, 0, 9, 3, 1, 0), 600009296),
    ],
)
def test_seeds_of_episodes_are_those_of_0_1_0(place: tuple[int, ...], seed: int) -> None:
    assert episode_seed(*place) == seed


def test_runs_without_a_seed_differ() -> None:
    assert draw_run_seed() != draw_run_seed()
    assert PGPE(solution_length=2, popsize=2).seed != PGPE(solution_length=2, popsize=2).seed

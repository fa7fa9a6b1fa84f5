"""A plot of runs that were interrupted and resumed elsewhere: each one is one curve, and seeds are gathered."""

from __future__ import annotations

from mpi_pgpe.runs.joined import group_runs
from mpi_pgpe.runs.reader import RecordedRun


def record(name: str, seed: int, first: int, last: int, **config) -> RecordedRun:
    """A run's record of some generations."""
    steps = range(first, last + 1)
    values = {g: float(100 * seed + g) for g in steps}
    config = {"env_name": "Sleepy", "popsize": 20, "seed": seed} | config
    return RecordedRun(name, config, {"generation": {g: g for g in steps}, "pop_mean": values}, "COMPLETED")


def test_records_of_one_run_are_joined_and_its_folders_tell_no_configurations_apart():
    records = [
        record("seed-1/1", 1, 1, 5, checkpoint="seed-1", max_walltime="00:10:00"),
        record("seed-1/2", 1, 5, 9, checkpoint="seed-1", max_walltime="00:09:59", resume="auto"),
        record("seed-2/1", 2, 1, 9, checkpoint="seed-2"),
    ]
    (group,) = group_runs(records)
    assert "2 seeds" in group.title
    assert [run.metrics["pop_mean"] for run in group.runs] == [
        {g: 100.0 * seed + g for g in range(1, 10)} for seed in (1, 2)
    ]


def test_a_run_that_goes_on_with_more_generations_is_one_curve():
    first = record("results/1", 1, 1, 5, niters=5, resume=None)
    (group,) = group_runs([first, record("results/2", 1, 6, 9, niters=9, resume="results/1")])
    assert [run.generations for run in group.runs] == [list(range(1, 10))]


def test_a_run_that_was_made_twice_stays_two():
    (group,) = group_runs([record("results/1", 1, 1, 3), record("results/2", 1, 1, 3)])
    assert len(group.runs) == 2


def test_runs_that_differ_in_a_setting_are_told_apart():
    found = group_runs([record("results/1", 1, 1, 3), record("results/2", 1, 4, 6, popsize=40)])
    assert ["popsize=20" in group.title for group in found] == [True, False]

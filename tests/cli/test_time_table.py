"""The account of time of all ranks: complete, in the record, and without a trace in the results."""

from __future__ import annotations

import json

import numpy as np
import pytest
from runs import BASE, bits, outcome

from mpi_pgpe.cli import time_table
from mpi_pgpe.parallel.clock import PHASES, PHYSICS, POLICY
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

VALUES = BASE | {"env_name": "CartPole-v1", "obs_norm": True, "niters": 2, "popsize_max": 16, "num_interactions": 150}


def run(each_step: bool) -> tuple[dict, np.ndarray] | None:
    """All ranks: train; on rank 0 returns what came out and the ranks' times."""
    team = Team(Farm(World()))
    if team.world.rank > 0:
        assert team.serve() == 0
        return None
    trainer = Trainer(Settings.check(VALUES), team, profile=each_step)
    found = outcome(trainer, list(trainer))
    times = team.times()
    team.stop(0)
    assert times.shape == (team.world.size, len(PHASES))
    return found, times


def test_profile_changes_no_bit_and_tells_physics_from_policy():
    without, with_it = run(False), run(True)
    if without is None or with_it is None:
        return
    assert bits(without[0]) == bits(with_it[0])
    assert (without[1][:, PHYSICS] == 0).all()
    assert with_it[1][0, PHYSICS] > 0
    for _, times in (without, with_it):
        assert (times >= 0).all()
        assert times[0, POLICY] > 0


SECONDS = np.array([[3.0, 1.0, 2.0, 0.5, 0.25, 0.125, 0.125], [4.0, 0.0, 2.0, 0.5, 0.25, 0.25, 0.0]])


def test_columns_add_up():
    told_apart = time_table.collect_columns([0, 7], SECONDS, each_step=True)
    together = time_table.collect_columns([0, 7], SECONDS, each_step=False)
    assert told_apart["rank"] == together["rank"] == [0, 7]
    assert together["episodes"] == [4.0, 4.0]
    assert told_apart["physics"] == [3.0, 4.0]
    for found in (told_apart, together):
        parts = [values for name, values in found.items() if name not in ("rank", "total")]
        assert np.sum(parts, axis=0).tolist() == found["total"] == [7.0, 7.0]


def test_table_of_many_ranks_is_short():
    few = time_table.format_table(time_table.collect_columns([0, 7], SECONDS, each_step=True)).splitlines()
    assert few[1].split() == ["rank", "total", *PHASES]
    assert few[3].split()[:6] == ["7", "7.00", "4.00", "57%", "0.00", "0%"]
    seconds = np.tile(SECONDS[1], (100, 1)) * np.arange(1, 101)[:, None]
    many = time_table.format_table(time_table.collect_columns(range(100), seconds, each_step=False)).splitlines()
    assert [line[:13].strip() for line in many[2:]] == ["0", "others: least", "median", "most"]
    assert [line[13:].split()[0] for line in many[2:]] == ["7.00", "14.00", "357.00", "700.00"]


@pytest.mark.launches
def test_profile_of_a_run_is_printed_and_recorded(launch, tmp_path):
    command = ["-m", "mpi_pgpe.train", "--profile", "-l", "ERROR", "-F", "results", "with", "fast", "niters=1"]
    done = launch(*command, ranks=2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recorded = json.loads((tmp_path / "results/1/info.json").read_text())["profile"]
    assert set(recorded) == {"rank", "total", *PHASES}
    assert recorded["rank"] == [0, 1]
    assert all(seconds > 0 for seconds in recorded["total"])
    assert time_table.format_table(recorded).splitlines()[0] in done.stdout.splitlines()
    assert "profile" not in (tmp_path / "results/1/config.json").read_text()

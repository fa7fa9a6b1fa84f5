"""Runs that the command line recorded, for the tests of what reads them: pytest_plugins = ["recorded_runs"]."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from programs import run_program

FAST = ["fast", "niters=4", "popsize=4", "num_interactions=None", "re_eval_interval=2", "re_eval_num_episodes=2"]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs 1, 2 and 3 differ in their seeds, 4 is 1 on two ranks, 5 has another population. Tests change copies."""
    folder: Path = tmp_path_factory.mktemp("results")
    for ranks, settings in [(1, ["seed=1"]), (1, ["seed=2"]), (1, ["seed=3"]), (2, ["seed=1"]), (1, ["popsize=6"])]:
        values = [*FAST, "seed=1", *settings]
        done = run_program("-m", "mpi_pgpe.train", "-l", "WARNING", "-F", folder, "with", *values, ranks=ranks)
        assert done.returncode == 0, done.stderr
    for path in folder.glob("*/checksums.json"):  # the tests change what they say
        path.unlink()
    return folder


def as_plain_sacred_has_it(run: Path, copy: Path) -> dict:
    """Copy a run without its file of lines; returns what its metrics.json holds."""
    shutil.copytree(run, copy)
    (copy / "metrics.jsonl").unlink()
    return json.loads((copy / "metrics.json").read_text())

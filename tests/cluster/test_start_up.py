"""What a rank asks of a shared file system at start, and how many ranks one run can use."""

from __future__ import annotations

import json
import sys

import pytest
from cluster import ROOT, Slurm, run

pytestmark = [pytest.mark.slurm, pytest.mark.launches]


def test_a_rank_opens_few_files_beyond_its_libraries(slurm: Slurm):  # which installs strace
    printed = run(sys.executable, ROOT / "benchmarks/opened_files.py", "--env", "CartPole-v1", "--json")
    bare, rank = json.loads(printed).values()
    assert 0 < rank["of the environment"] <= bare["of the environment"] + 20
    assert rank["of mpi_pgpe"] < 50


def test_the_model_of_many_ranks():
    """Rank 0 sets the limit: each direction takes some of its time."""
    printed = run(sys.executable, ROOT / "benchmarks/farm_model.py", "--ranks", "2", "--seconds", "0.1", "--json")
    found = json.loads(printed)
    (row,) = found["runs"]
    assert 0 < row["measured"] <= 1
    assert 0 < found["model"]["humanoid_bullet"]["5000"] < found["model"]["humanoid_bullet"]["250"] <= 1
    assert list(found["model"]["walker2d"]) == ["25", "50"], "no more than there are directions"

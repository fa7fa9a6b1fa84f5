"""What a rank asks of a shared file system at start."""

from __future__ import annotations

import json
import sys

import pytest
from cluster import ROOT, Slurm, run

pytestmark = [pytest.mark.slurm, pytest.mark.launches]


def test_a_rank_opens_few_files_beyond_its_libraries(slurm: Slurm):  # which installs strace
    printed = run(sys.executable, ROOT / "benchmarks/opened_files.py", "--env", "CartPole-v1", "--json")
    bare, rank = json.loads(printed).values()
    assert 0 < rank["below sys.prefix"] <= bare["below sys.prefix"] + 20
    # The package's own: 87 files and 10 folders. Fast paths are loaded with their simulator alone.
    assert rank["of mpi_pgpe"] < 100

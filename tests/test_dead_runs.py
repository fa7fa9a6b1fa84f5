"""A record says RUNNING and its program is gone: the next command that reads it tells so, and takes it for DEAD."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from places import ROOT
from programs import kill_with_descendants, run_program, wait_until

from mpi_pgpe import compare, plot
from mpi_pgpe.base.file_lock import try_lock
from mpi_pgpe.parallel.launcher import find_descendants
from mpi_pgpe.runs.checksums import damage
from mpi_pgpe.runs.reader import read_runs

pytestmark = [pytest.mark.launches, pytest.mark.serial]

SETTINGS = ["fast", "env_name=CartPole-v1", "popsize=4", "popsize_max=4", "num_hidden=0", "seed=1"]
SETTINGS += ["re_eval_num_episodes=2", "re_eval_interval=1", "checkpoint_seconds=0"]
TELLS = "run.json says RUNNING, but its program is gone: it crashed, was killed, or could not write its end\n"


def status(run: Path) -> str:
    return json.loads((run / "run.json").read_text())["status"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed together with the process that would have told so."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "mpi_pgpe.train", "-F", str(results), "with", *SETTINGS, "niters=100000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        lines = results / "1/metrics.jsonl"
        wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 2)
        assert find_descendants(process.pid)
        kill_with_descendants(process)
    return results / "1"


@pytest.fixture
def run(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "1"))


@pytest.mark.parametrize("tool", [compare, plot])
def test_a_tool_tells_of_it_and_writes_nothing(run, tmp_path, capsys, tool):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    runs = [str(run)] * 2
    assert tool.main(runs if tool is compare else [*runs, "-o", str(tmp_path / "x.png")]) == 0
    assert capsys.readouterr().err == f"{run}: {TELLS}" * 2
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert read_runs([str(run)], None)[0].status == "DEAD"


def test_nothing_is_told_of_a_run_that_goes_on(run, capsys):
    with try_lock(run / ".lock"):
        assert read_runs([str(run)], None)[0].status == "RUNNING"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("silence", "told"), [(30, False), (120, True)])
def test_a_run_on_another_machine_is_told_of_after_six_heartbeats(run, capsys, silence, told):
    entry = json.loads((run / "run.json").read_text())
    entry["host"]["hostname"] = "elsewhere"
    entry["heartbeat"] = (datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=silence)).isoformat()
    (run / "run.json").write_text(json.dumps(entry))
    assert read_runs([str(run)], None)[0].status == ("DEAD" if told else "RUNNING")
    assert capsys.readouterr().err == (f"{run}: {TELLS}" if told else "")


def test_a_resume_tells_of_it_and_marks_it(killed, tmp_path):
    """Where the run was, because its checkpoint names that folder."""
    run = killed
    assert status(run) == "RUNNING"
    updates = [*SETTINGS, f"resume={run}", "niters=100000", "max_walltime=1"]
    done = run_program("-m", "mpi_pgpe.train", "-F", tmp_path, "with", *updates)
    assert done.returncode == 75, done.stderr
    assert f"{run}: its program had ended without a word; the record is marked as DEAD\n" in done.stderr
    assert status(run) == "DEAD"
    assert damage(run) == []
    assert (run / "checksums.json").exists()

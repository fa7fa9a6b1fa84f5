"""What sacred's front-ends need of our records: curves alone among the metrics, and info.json where a run has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mongo_server import Server
from programs import run_program, wait_until
from recorded import BEAT, log, record
from recorded_runs import FAST

from mpi_pgpe import compare, sync
from mpi_pgpe.runs.reader import read_runs
from mpi_pgpe.runs.recorder import Recorder

pytestmark = [pytest.mark.launches, pytest.mark.serial]
pytest_plugins = ["mongo_fixtures"]


@pytest.fixture(scope="module")
def delivered(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(address of a database with run 1, its folder)."""
    address, folder = f"127.0.0.1:{server.port}:front", tmp_path_factory.mktemp("results")
    settings = [*FAST, "seed=1"]
    for _ in range(2):
        done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", folder, "-m", address, "with", *settings)
        assert done.returncode == 0, done.stderr
    return address, folder


def assert_digests_are_apart(database: Any, number: int) -> None:
    """Omniboard draws what is in `metrics` of a run, all of it on one axis."""
    names = set(database["metrics"].distinct("name", {"run_id": number}))
    assert {"pop_mean", "re_eval_mean", "timesteps"} <= names
    assert "state_digest" not in names
    listed = {metric["name"] for metric in database["runs"].find_one({"_id": number})["info"]["metrics"]}
    assert listed == names


def test_what_is_no_curve_is_not_among_the_metrics(delivered, server, capsys):
    (address, folder), database = delivered, server.client["front"]
    for number in (1, 2):
        assert_digests_are_apart(database, number)
        (stored,), (kept,) = read_runs([str(number)], address), read_runs([str(folder / str(number))], None)
        assert stored.metrics["state_digest"] == kept.metrics["state_digest"]
    assert compare.main(["1", "2", "--mongo", address]) == 0
    digests = database["mpi_pgpe_digests"]
    digests.update_one({"run_id": 2}, {"$set": {"values.2": 5}})
    assert compare.main(["1", "2", "--mongo", address]) == 1
    assert "generation 3: state_digest" in capsys.readouterr().out
    digests.delete_one({"run_id": 2})
    assert sync.main([str(folder), "-m", address]) == 0
    assert compare.main(["1", "2", "--mongo", address]) == 0


def test_a_record_of_an_earlier_version_is_read_and_put_right(delivered, server, capsys):
    (address, folder), database = delivered, server.client["front"]
    for digest in list(database["mpi_pgpe_digests"].find()):
        database["metrics"].insert_one(digest)
        database["mpi_pgpe_digests"].delete_one({"_id": digest["_id"]})
    assert compare.main(["1", "2", "--mongo", address]) == 0
    assert read_runs(["1"], address)[0].metrics["state_digest"]
    points = []
    for _ in range(2):
        assert sync.main([str(folder), "-m", address]) == 0
        points.append(capsys.readouterr().out.splitlines()[-2:])
        for number in (1, 2):
            assert_digests_are_apart(database, number)
        assert compare.main(["1", "2", "--mongo", address]) == 0
    assert points[0] == points[1]


@pytest.mark.parametrize("end", [None, ZeroDivisionError, KeyboardInterrupt])
def test_a_run_has_its_info_when_it_has_ended(tmp_path: Path, end: type[BaseException] | None) -> None:
    """incense fails over one that has ended and has none, sacredboard over one that goes on and has one."""
    observer = Recorder(tmp_path)

    def main(run: Any) -> None:
        log(observer, 1)
        run.info["versions"] = {"numpy": "1"}
        wait_until(lambda: "versions" in json.loads((observer.folder / "run.json").read_text()).get("info", {}))
        time.sleep(2 * BEAT)
        assert not (observer.folder / "info.json").exists()
        if end is not None:
            raise end

    try:
        record(observer, main)
    except (ZeroDivisionError, KeyboardInterrupt):
        assert end is not None
    assert json.loads((observer.folder / "info.json").read_text()) == {"versions": {"numpy": "1"}}
    entry = json.loads((observer.folder / "run.json").read_text())
    assert "info" not in entry
    assert entry["status"] == {None: "COMPLETED", ZeroDivisionError: "FAILED", KeyboardInterrupt: "INTERRUPTED"}[end]


def test_a_run_that_was_killed_has_its_info_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mpi_pgpe.train", "-F", str(tmp_path), "-b", "1", "with", *FAST, "niters=100000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        path = tmp_path / "1/run.json"
        wait_until(lambda: path.exists() and "versions" in json.loads(path.read_text()).get("info", {}))
        assert not (tmp_path / "1/info.json").exists()
        os.kill(process.pid, signal.SIGKILL)
    wait_until((tmp_path / "1/checksums.json").exists)
    assert json.loads((tmp_path / "1/info.json").read_text())["versions"]["numpy"]
    assert json.loads(path.read_text())["status"] == "DEAD"

"""`python -m mpi_pgpe.runs HOST:PORT:DB`: the runs of a database at a glance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mongo_server import Server
from programs import run_program

from mpi_pgpe.runs.__main__ import main

pytestmark = [pytest.mark.launches, pytest.mark.serial]
pytest_plugins = ["mongo_fixtures"]


def test_runs_of_a_database(server: Server, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{server.port}:{name}"
    settings = ["fast", "niters=4", "popsize=4", "num_interactions=None", "re_eval_interval=2", "seed=1"]
    done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", tmp_path, "-m", address, "with", *settings)
    assert done.returncode == 0, done.stderr
    recorded = [json.loads(line) for line in (tmp_path / "1/metrics.jsonl").read_text().splitlines()]
    best = max(line["re_eval_mean"] for line in recorded if "re_eval_mean" in line)

    for arguments in ([address], ["--mongo", address]):
        assert main([*arguments, "--where", "status=COMPLETED", "--json"]) == 0
        _, line, as_json = capsys.readouterr().out.splitlines()
        assert line.split()[:5] == ["1", "COMPLETED", "CartPole-v1", "4/4", f"{best:.6g}"]
        (run,) = json.loads(as_json)["runs"]
        assert (run["config"]["seed"], run["best"], run["damage"]) == (1, best, None)

    runs = server.client[name].runs
    runs.update_one({"_id": 1}, {"$set": {"status": "RUNNING", "heartbeat": None}})
    assert main([address]) == 0
    assert "RUNNING" in capsys.readouterr().out  # it was started just now
    runs.update_one({"_id": 1}, {"$set": {"start_time": "2020-01-01T00:00:00"}})
    assert main([address]) == 0
    assert "DEAD" in capsys.readouterr().out

    assert main([f"{address}-of-nobody"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1  # the names of the columns
    assert main(["127.0.0.1:1:db"]) == 1
    assert "no MongoDB answers at 127.0.0.1:1/db" in capsys.readouterr().err

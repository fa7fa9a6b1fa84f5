"""`python -m mpi_pgpe.export`: what the tools' own readers find, each point once, whatever happened before."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import Points, expected, lengthen, read_event_files, read_mlflow, read_table, read_wandb, recorded
from mongo_server import Server
from programs import run_program
from recorded_runs import FAST

from mpi_pgpe import export
from mpi_pgpe.base.file_lock import try_lock
from mpi_pgpe.exports.tables import Tables
from mpi_pgpe.restore import policy_metadata

pytestmark = [pytest.mark.launches, pytest.mark.serial]
pytest_plugins = ["recorded_runs", "mongo_fixtures"]


def exported(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert export.main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def rounded(points: Points) -> Points:
    """As 32-bit floats, which TensorBoard's scalars are."""
    return {name: [(step, float(np.float32(value))) for step, value in each] for name, each in points.items()}


def test_tables(results, tmp_path, capsys):
    done = exported(capsys, results / "1", "--to", "csv", "-o", tmp_path)
    assert done["runs"] == [{"run": str(results / "1"), "name": "1", "status": "COMPLETED", "new_generations": 4,
                             "generations": 4, "artifacts": len(list(results.glob("1/*.pickle")))}]  # fmt: skip
    table, lines = read_table(tmp_path / "1/metrics.csv"), recorded(results / "1")
    assert len(table) == len(lines) == 4
    for row, line in zip(table, lines, strict=True):
        assert row["timestamp"] == line["timestamp"]
        values = {name: float(value) for name, value in row.items() if name != "timestamp" and value}
        assert values == {name: value for name, value in line.items() if name != "timestamp"}
    assert any(row["re_eval_mean"] == "" for row in table)  # there was none
    settings = {row["setting"]: row["value"] for row in read_table(tmp_path / "1/settings.csv")}
    config = json.loads((results / "1/config.json").read_text())
    assert (settings["env_name"], settings["popsize"]) == (config["env_name"], str(config["popsize"]))
    for agent in results.glob("1/*.pickle"):
        assert (tmp_path / "1/agents" / agent.name).read_bytes() == agent.read_bytes()
    assert policy_metadata(tmp_path / "1/agents/best.pickle")


@pytest.mark.parametrize("wrong", [{"step": 10**400}, {"step": 99, "timesteps": 1e308}])
def test_numbers_that_no_tool_takes_end_in_a_line(results, tmp_path, capsys, wrong):
    run = shutil.copytree(results / "1", tmp_path / "run")
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    with (run / "metrics.jsonl").open("a") as file:
        print(json.dumps(line | wrong), file=file)
    assert export.main([str(run), "--to", "tensorboard", "-o", str(tmp_path / "to")]) == 2
    assert "too large to export" in capsys.readouterr().err


def test_event_files(results, tmp_path, capsys):
    exported(capsys, results, "--to", "tensorboard", "-o", tmp_path)
    for run in ("1", "2", "5"):
        points, settings = read_event_files(tmp_path / run)
        assert points == rounded(expected(results / run))
        config = json.loads((results / run / "config.json").read_text())
        assert settings["seed"] == config["seed"]
        assert settings["env_name"] == config["env_name"]
        assert settings["obs_norm"] is config["obs_norm"]
        assert (tmp_path / run / "agents/best.pickle").read_bytes() == (results / run / "best.pickle").read_bytes()


def test_only_what_is_new_is_added(results, tmp_path, capsys):
    """While a run grows, and when nothing has changed; what is there already is not written anew."""
    run, out = tmp_path / "1", tmp_path / "out"
    shutil.copytree(results / "1", run)
    whole = (run / "metrics.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for content, generations in [(lines[0] + lines[1][:40], 1), (b"".join(lines[:3]), 2), (whole, 1), (whole, 0)]:
        (run / "metrics.jsonl").write_bytes(content)
        for tool in ("tensorboard", "csv"):
            done = exported(capsys, run, "--to", tool, "-o", out / tool)
            assert done["runs"][0]["new_generations"] == generations
    assert read_event_files(out / "tensorboard/1")[0] == rounded(expected(results / "1"))
    assert len(read_table(out / "csv/1/metrics.csv")) == 4
    (out / "tensorboard/1" / next((out / "tensorboard/1").glob("events*")).name).unlink()
    exported(capsys, run, "--to", "tensorboard", "-o", out / "tensorboard")  # deleted: made again
    assert read_event_files(out / "tensorboard/1")[0] == rounded(expected(results / "1"))


def test_a_resumed_run_is_one_run(tmp_path, capsys):
    for settings in (["niters=2"], ["niters=4", f"resume={tmp_path}/1"]):
        done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", tmp_path, "with", *FAST, "seed=1", *settings)
        assert done.returncode == 0, done.stderr
    done = exported(capsys, tmp_path / "1", "--to", "tensorboard", "-o", tmp_path / "out")
    assert done["runs"][0]["generations"] == 2
    done = exported(capsys, tmp_path / "1", tmp_path / "2", "--to", "tensorboard", "-o", tmp_path / "out")
    assert [(run["name"], run["new_generations"], run["generations"]) for run in done["runs"]] == [("1", 2, 4)]
    assert read_event_files(tmp_path / "out/1")[0] == rounded(expected(tmp_path / "1", tmp_path / "2"))
    assert (tmp_path / "out/1/agents/best.pickle").read_bytes() == (tmp_path / "2/best.pickle").read_bytes()


def test_runs_of_one_name_are_two(results, tmp_path, capsys):
    shutil.copytree(results / "2", tmp_path / "other/1")
    for _ in range(2):
        done = exported(capsys, results / "1", tmp_path / "other/1", "--to", "csv", "-o", tmp_path / "out")
        first, second = (run["name"] for run in done["runs"])
        assert first == "1"
        assert second.startswith("1-")
    assert len(list((tmp_path / "out").glob("*/metrics.csv"))) == 2


def test_a_strange_record_brings_nothing_from_elsewhere(results, tmp_path, capsys):
    run = tmp_path / "1"
    shutil.copytree(results / "1", run)
    (tmp_path / "secret").write_text("secret")
    (run / "link.pickle").symlink_to(tmp_path / "secret")
    entry = json.loads((run / "run.json").read_text())
    entry["artifacts"] = ["../secret", "link.pickle", "gone.pickle", "\x1b[31m", "best.pickle", 5]
    (run / "run.json").write_text(json.dumps(entry))
    assert export.main([str(run), "--to", "csv", "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "1 agents" in out
    assert "'../secret' is left out" in err
    assert "link.pickle: is left out: a link" in err
    assert "\x1b" not in err
    assert [path.name for path in (tmp_path / "out/1/agents").iterdir()] == ["best.pickle"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["{results}/1"], "--to"),
        (["{results}/1", "--to", "excel"], "invalid choice: 'excel'"),
        (["{results}/none", "--to", "csv"], "expected the folder of a recorded run"),
        (["7", "--to", "csv", "--mongo", "a b"], "expected HOST:PORT:DATABASE"),
        (["{results}/1", "--to", "csv", "-o", "{tmp}/file"], "file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(results, tmp_path, capsys, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert export.main([argument.format(results=results, tmp=tmp_path) for argument in arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("export: ")
    assert part in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("folder", ["results", "results/1", "results/1/out", "link/out"])
def test_a_folder_with_records_is_not_written_to(results, tmp_path, capsys, folder):
    shutil.copytree(results / "1", tmp_path / "results/1")
    (tmp_path / "link").symlink_to("results/1")
    before = sorted(tmp_path.rglob("*"))
    assert export.main([str(tmp_path / "results/1"), "--to", "csv", "-o", str(tmp_path / folder)]) == 2
    assert "expected a folder apart from the records" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_package_is_named(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Tables, "needs", ("csv", "no_such_package"))
    assert export.main([str(results / "1"), "--to", "csv", "-o", str(tmp_path / "out")]) == 2
    assert "pip install no_such_package" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_mlflow_skinny_does_not_bring_is_named(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "alembic", None)
    assert export.main([str(results / "1"), "--to", "mlflow", "-o", str(tmp_path / "out")]) == 2
    assert "the package alembic, which is not installed: pip install alembic" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_exporters_do_not_share_a_folder(results, tmp_path, capsys):
    exported(capsys, results / "1", "--to", "csv", "-o", tmp_path)
    lock = try_lock(tmp_path / ".mpi_pgpe/lock")
    assert lock is not None
    with lock:
        assert export.main([str(results / "1"), "--to", "csv", "-o", str(tmp_path)]) == 2
        assert "no other program exports to" in capsys.readouterr().err
    exported(capsys, results / "1", "--to", "csv", "-o", tmp_path)


def test_from_a_database(server: Server, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address, run = f"127.0.0.1:{server.port}:{name}", tmp_path / "results/1"
    done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", run.parent, "-m", address, "with", *FAST, "seed=1")
    assert done.returncode == 0, done.stderr
    for tool in ("csv", "tensorboard"):
        for place in ([run], ["1", "--mongo", address]):
            exported(capsys, *place, "--to", tool, "-o", tmp_path / f"{tool}{len(place)}")
    assert read_event_files(tmp_path / "tensorboard3/1") == read_event_files(tmp_path / "tensorboard1/1")
    rows = [read_table(tmp_path / f"csv{number}/1/metrics.csv") for number in (1, 3)]
    assert len(rows[0]) == len(rows[1]) == 4
    for ours, theirs in zip(*rows, strict=True):
        shared = set(ours) & set(theirs) - {"timestamp"}  # which MongoDB has in milliseconds
        assert {"pop_mean", "re_eval_mean", "timesteps"} <= shared
        assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
    for agent in run.glob("*.pickle"):
        assert (tmp_path / "csv3/1/agents" / agent.name).read_bytes() == agent.read_bytes()


@pytest.mark.slow
def test_mlflow(results, tmp_path, capsys):
    for new in (4, 0):
        done = exported(capsys, results / "1", results / "2", "--to", "mlflow", "-o", tmp_path)
        assert [run["new_generations"] for run in done["runs"]] == [new, new]
    runs = {run.info.run_name: run for run in read_mlflow(tmp_path)}
    assert set(runs) == {"1", "2"}
    for number, run in runs.items():
        assert {n: sorted(p) for n, p in run.points.items()} == expected(results / number)
        config = json.loads((results / number / "config.json").read_text())
        assert run.data.params["seed"] == number
        assert run.data.params["env_name"] == config["env_name"]
        assert sorted(run.agents) == sorted(path.name for path in results.glob(f"{number}/*.pickle"))
        assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_wandb(results, tmp_path, capsys):
    run = lengthen(results / "1", tmp_path / "1", 4)
    whole = (run / "metrics.jsonl").read_bytes()
    for lines, new in ((3, 3), (4, 1), (4, 0)):
        (run / "metrics.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:lines]))
        done = exported(capsys, run, "--to", "wandb", "-o", tmp_path / "out")
        assert done["runs"][0]["new_generations"] == new
        rows, settings, agents, code = read_wandb(tmp_path / "out")
        assert len(rows) == lines
        for row, line in zip(rows, recorded(run), strict=True):
            values = {name: value for name, value in line.items() if name not in ("step", "timestamp", "state_digest")}
            assert {name: row[name] for name in values} == values
            assert row["_step"] == line["step"]
        assert settings["seed"] == 1
        assert agents == sorted(path.name for path in run.glob("*.pickle"))
        assert code == 0

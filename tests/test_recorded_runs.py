"""plot, and compare in a database, on runs that the command line recorded in folders and in a database."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pymongo
import pytest
from matplotlib import image
from recorded_runs import FAST, as_plain_sacred_has_it

from mpi_pgpe import compare, plot
from mpi_pgpe.base.file_lock import try_lock
from mpi_pgpe.cli import installation
from mpi_pgpe.runs.mongo.address import BadTarget
from mpi_pgpe.runs.reader import RunError, read_runs

pytestmark = pytest.mark.launches
pytest_plugins = ["recorded_runs"]


@pytest.fixture(scope="module")
def mongo(tmp_path_factory):
    """HOST:PORT:DB of a database with run 1."""
    from programs import run_program
    from pymongo.uri_parser import parse_uri

    SecantusDBServer = pytest.importorskip("secantus").SecantusDBServer  # noqa: N806
    with SecantusDBServer(storage_path=str(tmp_path_factory.mktemp("mongo"))) as server:
        host, port = parse_uri(server.uri)["nodelist"][0]
        address = f"{host}:{port}:runs"
        done = run_program("-m", "mpi_pgpe.train", "-l", "WARNING", "-m", address, "with", *FAST, "seed=1")
        assert done.returncode == 0, done.stderr
        yield address


def metrics(run: Path) -> dict[str, np.ndarray]:
    return {name: np.array(m["values"]) for name, m in json.loads((run / "metrics.json").read_text()).items()}


def drawn(capsys, *arguments) -> dict:
    assert plot.main([str(a) for a in arguments] + ["--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_seeds_become_a_median_and_a_band(results, tmp_path, capsys, monkeypatch):
    from matplotlib.axes import Axes

    def given(name):
        """What is given to a method of the axes, which draws it all the same."""
        seen, draw = [], getattr(Axes, name)
        monkeypatch.setattr(Axes, name, lambda axes, *xy, **style: (seen.append(xy), draw(axes, *xy, **style))[1])
        return seen

    lines, bands = given("plot"), given("fill_between")
    picture = tmp_path / "curve.png"
    shown = drawn(capsys, *(results / str(n) for n in (1, 2, 3, 5)), "-o", picture, "-x", "generations")
    assert [len(curve["runs"]) for curve in shown["curves"]] == [3, 1]
    assert "3 seeds" in shown["curves"][0]["title"]
    assert "popsize=6" in shown["curves"][1]["title"]
    last = [metrics(results / str(n))["pop_mean"][-1] for n in (1, 2, 3)]
    assert shown["curves"][0]["pop_mean"] == {"points": 4, "last_x": 4, "last": pytest.approx(np.median(last))}
    assert shown["curves"][0]["re_eval_mean"]["points"] == 2
    values = [metrics(results / str(n))["pop_mean"] for n in (1, 2, 3)]
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    assert np.array(lines[0]) == pytest.approx(np.array([[1, 2, 3, 4], median]))
    assert np.array(bands[0]) == pytest.approx(np.array([[1, 2, 3, 4], low, high]))
    assert len(bands) == 2  # of population and re-evaluation; one run by itself has none
    pixels = image.imread(picture)[..., :3]
    assert pixels.shape[0] > 400
    blue, orange = (
        (np.abs(pixels - np.array(c)).max(axis=2) < 0.25).sum() for c in [(0.12, 0.47, 0.71), (1, 0.5, 0.05)]
    )
    assert blue > 200
    assert orange > 200


def test_the_band_is_between_the_quartiles():
    x = np.array([0.0, 1, 2, 3])
    curves = [(x, x * 0 + level) for level in (0, 1, 2, 3, 4)]
    curves.append((x[1:3], np.array([9.0, 9])))
    at, (low, median, high) = plot.gather_curves(curves)
    assert at.tolist() == [1, 2]  # where all have values
    assert (low.tolist(), median.tolist(), high.tolist()) == ([1.25] * 2, [2.5] * 2, [3.75] * 2)
    assert plot.gather_curves([(x, x), (x + 0.5, x + 0.5)])[1][1] == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3])


@pytest.mark.parametrize(("axis", "metric", "unit"), [("timesteps", "timesteps", 1), ("hours", "elapsed", 3600)])
def test_axes(results, tmp_path, capsys, axis, metric, unit):
    shown = drawn(capsys, results / "1", "-o", tmp_path / "p.png", "-x", axis)
    assert shown["curves"][0]["pop_mean"]["last_x"] == pytest.approx(metrics(results / "1")[metric][-1] / unit)


def test_a_folder_of_runs_stands_for_them(results, tmp_path, capsys):
    shown = drawn(capsys, results, "-o", tmp_path / "p.png")
    assert sum(len(curve["runs"]) for curve in shown["curves"]) == 5


def test_a_run_from_the_database_is_the_run_from_the_folder(results, mongo, tmp_path, capsys):
    (stored,), (recorded,) = read_runs(["1"], mongo), read_runs([str(results / "1")], None)
    assert compare.compare(stored, recorded)["same"]
    assert stored.metrics["timesteps"] == recorded.metrics["timesteps"]
    a = drawn(capsys, "1", "--mongo", mongo, "-o", tmp_path / "a.png")["curves"][0]
    b = drawn(capsys, results / "1", "-o", tmp_path / "b.png")["curves"][0]
    assert a["pop_mean"] == b["pop_mean"]
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert compare.main(["1", "1", "--mongo", mongo]) == 0


@pytest.mark.parametrize(("silence", "told"), [(30, False), (120, True)])
def test_a_run_of_a_database_whose_program_may_be_gone_is_told_of(results, mongo, capsys, silence, told):
    host, port, database = mongo.split(":")
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    with pymongo.MongoClient(host, int(port)) as client:
        runs = client[database]["runs"]
        before = runs.find_one({"_id": 1})
        runs.update_one({"_id": 1}, {"$set": {"status": "RUNNING", "heartbeat": now - timedelta(seconds=silence)}})
        try:
            assert read_runs(["1"], mongo)[0].status == ("DEAD" if told else "RUNNING")
        finally:
            runs.replace_one({"_id": 1}, before)
    message = "run 1: the database says RUNNING, but its last sign of life is old; its program may be gone\n"
    assert capsys.readouterr().err == (message if told else "")


def test_what_the_database_lacks_is_said(mongo):
    with pytest.raises(RunError, match="run 7 is not in the database runs; the latest are: 1"):
        read_runs(["7"], mongo)
    with pytest.raises(BadTarget, match="--mongo: expected HOST:PORT:DATABASE"):
        read_runs(["7"], "local host")


def test_what_is_no_run_there_is_one_line(mongo, capsys):
    host, port, _ = mongo.split(":")
    with pymongo.MongoClient(host, int(port)) as client:
        client["odd"]["runs"].insert_many([{"_id": 1}, {"_id": 2, "config": {}}])
        client["odd"]["metrics"].insert_one({"run_id": 2, "name": "generation", "steps": 1, "values": "x"})
    for run in ("1", "2"):
        assert plot.main([run, "--mongo", f"{host}:{port}:odd"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"plot: run {run}: is damaged: ")


def test_the_address_of_a_database_with_users_is_that_of_the_training(mongo, tmp_path, capsys, monkeypatch):
    """From the environment, where nobody else can see it; and no message shows the password."""
    monkeypatch.setenv("MPI_PGPE_MONGO", f"mongodb://{mongo.replace(':runs', '/runs')}")
    assert drawn(capsys, "1", "-o", tmp_path / "a.png", "--mongo")["curves"][0]["runs"] == ["run 1"]
    monkeypatch.setenv("MPI_PGPE_MONGO", "mongodb://rosalind:s3cret@127.0.0.1:1/runs")
    assert plot.main(["1", "--mongo"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("plot: no MongoDB answers at 127.0.0.1:1/runs: ")
    assert err.count("\n") == 1
    assert "s3cret" not in err
    monkeypatch.delenv("MPI_PGPE_MONGO")
    assert compare.main(["1", "1", "--mongo"]) == 2
    assert "in the environment variable MPI_PGPE_MONGO" in capsys.readouterr().err


def test_no_password_is_shown(capsys):
    address = "mongodb://rosalind:secret@127.0.0.1:1/runs?option=secret"
    assert (plot.main(["1", "--mongo", address]), compare.main(["1", "2", "--mongo", address])) == (1, 2)
    shown = capsys.readouterr().err + repr(list(installation.check_mongo(address)))
    assert shown.count("no MongoDB answers at 127.0.0.1:1/runs") == 3
    assert "secret" not in shown
    assert "rosalind" not in shown


def test_a_folder_of_plain_sacred_is_read(results, tmp_path):
    as_plain_sacred_has_it(results / "1", tmp_path / "9")
    (plain,), (run,) = read_runs([str(tmp_path / "9")], None), read_runs([str(results / "1")], None)
    assert plain.metrics == run.metrics
    assert len(run.metrics["generation"]) == 4


def test_a_run_that_goes_on_or_was_killed_is_plotted_as_far_as_it_is(results, tmp_path, capsys):
    """From its lines alone, the last of which a kill may have cut off."""
    running = tmp_path / "9"
    shutil.copytree(results / "1", running)
    (running / "metrics.json").unlink()
    lines = (running / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (running / "metrics.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:50])
    run = json.loads((running / "run.json").read_text())
    (running / "run.json").write_text(json.dumps(run | {"status": "RUNNING"}))
    shown = drawn(capsys, running, "-o", tmp_path / "p.png", "-x", "generations")
    expected = metrics(results / "1")["pop_mean"][2]
    assert shown["curves"][0]["pop_mean"] == {"points": 3, "last_x": 3, "last": expected}
    assert compare.main([str(running), str(results / "1")]) == 1
    assert "has generation 4" in capsys.readouterr().out
    (running / "metrics.jsonl").write_bytes(lines[0][:50])
    assert plot.main([str(running)]) == 2
    assert "no generation is recorded (status DEAD)\n" in capsys.readouterr().err
    with try_lock(running / ".lock"):
        assert plot.main([str(running)]) == 2
    assert "no generation is recorded (status RUNNING); try again later\n" in capsys.readouterr().err
    shutil.copytree(results / "2", tmp_path / "10")
    shown = drawn(capsys, tmp_path, "-o", tmp_path / "p.png")  # among others it is left out
    assert [curve["runs"] for curve in shown["curves"]] == [[str(tmp_path / "10")]]


def test_a_file_that_is_being_written_is_read_when_it_is_whole(results, tmp_path, monkeypatch):
    """The sleep between two readings is where the writer ends here."""
    running = tmp_path / "9"
    as_plain_sacred_has_it(results / "1", running)
    whole = (running / "metrics.json").read_text()
    (running / "metrics.json").write_text(whole[:100])
    monkeypatch.setattr("time.sleep", lambda _: (running / "metrics.json").write_text(whole))
    assert len(read_runs([str(running)], None)[0].generations) == 4
    monkeypatch.setattr("time.sleep", lambda _: None)
    (running / "metrics.json").write_text(whole[:100])
    with pytest.raises(RunError, match=r"metrics\.json: is damaged"):
        read_runs([str(running)], None)


DAMAGE = {
    "run.json": ["[1, 2]", "7"],
    "config.json": ['"text"', "[" * 100_000, None],
    "metrics.json": ["[]", '{"generation": {}}', '{"generation": {"steps": ["x"], "values": [1]}}',
                     '{"generation": {"steps": [1], "values": ["x"]}}', '{"generation": 5}'],
    "metrics.jsonl": ["{\n", "[]\n", '{"step": 1}\n', '{"step": 1, "timestamp": "", "generation": [1]}\n', "\udcff\n",
                      "[" * 100_000 + "\n", f'{{"step": 1, "timestamp": "", "generation": {10**400}}}\n'],
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content"),
    [(file, content) for file in DAMAGE for content in DAMAGE[file]],
    ids=lambda value: str(value)[:50],
)
def test_a_damaged_record_is_refused_in_one_line(results, tmp_path, capsys, file, content):
    run = tmp_path / "9"
    shutil.copytree(results / "1", run)
    if file == "metrics.json":
        (run / "metrics.jsonl").unlink()
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_bytes(content.encode(errors="surrogateescape"))
    for tool, code, arguments in [(plot, 2, [run]), (compare, 2, [run, results / "1"])]:
        assert tool.main([str(a) for a in arguments]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert f"{run / file}: " in err


def test_a_picture_that_cannot_be_drawn_or_written_is_one_line(results, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    for output, part in [
        ("x.txt", "Format 'txt' is not supported"),
        ("noext", "expected the name of a picture to write, such as learning_curve.png, got 'noext'"),
        ("", "expected the name of a picture"),
        ("folder.png", "expected the name of a picture"),
        ("none/x.png", "none/x.png: cannot be written: No such file or directory"),
    ]:
        assert plot.main([str(results / "1"), "-o", output]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert part in err
        assert os.listdir(tmp_path) == ["folder.png"]
    nothing = as_plain_sacred_has_it(results / "1", tmp_path / "9")
    for name in nothing:
        nothing[name]["values"] = [None] * len(nothing[name]["steps"])
    (tmp_path / "9" / "metrics.json").write_text(json.dumps(nothing))
    assert plot.main(["9"]) == 2
    assert capsys.readouterr().err == "plot: there is nothing to draw: no finite return is recorded yet\n"
    del nothing["timesteps"]
    (tmp_path / "9" / "metrics.json").write_text(json.dumps(nothing))
    assert plot.main(["9"]) == 2
    assert "9: expected the metric timesteps, which -x timesteps needs" in capsys.readouterr().err


def test_settings_are_drawn_as_they_are(results, tmp_path, capsys):
    """Not as formulas, for which matplotlib takes what is between dollars."""
    run = tmp_path / "9"
    shutil.copytree(results / "1", run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"env_name": "$x_{$\x1b"}))
    assert drawn(capsys, run, "-o", tmp_path / "p.png")["curves"][0]["title"] == "$x_{$\x1b, seed 1"
    assert image.imread(tmp_path / "p.png").std() > 0.1

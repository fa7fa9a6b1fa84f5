"""A run's record in MongoDB: what is there, under which id, and that no secret is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacred
from gridfs import GridFS
from mongo_server import Server
from recorded import BEAT, GENERATIONS, add, log, record, state, training
from sacred.observers import MongoObserver

from mpi_pgpe import compare, plot, sync
from mpi_pgpe.base.errors import UserError, WrongInput
from mpi_pgpe.cli import installation, sacred_patches
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.mongo import address, delivery, grid_files, mirror
from mpi_pgpe.runs.recorder import Recorder

pytestmark = [pytest.mark.launches, pytest.mark.usefixtures("patience")]
pytest_plugins = ["mongo_fixtures"]


def test_layout_is_that_of_sacreds_own_observer(
    server: Server, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Readers such as Omniboard are written for it.
    sacred_patches.apply()
    monkeypatch.setitem(sacred.SETTINGS, "CAPTURE_MODE", "no")  # the other one prints

    def program(run: Any, log_metric: Callable[[str, float, int], None]) -> float:
        for step in range(3):
            log_metric("pop_mean", step / 2, step)
        (tmp_path / "agent.pickle").write_bytes(b"agent")
        run.add_artifact(str(tmp_path / "agent.pickle"))
        run.info["resumed_from"] = "results/1"
        time.sleep(3 * BEAT)
        return 1.5

    theirs = MongoObserver(f"mongodb://127.0.0.1:{server.port}", name)
    ours = Recorder(tmp_path / "results", address.parse_target(f"127.0.0.1:{server.port}:{name}"))
    record(theirs, lambda run: program(run, run.log_scalar))
    record(ours, lambda run: program(run, lambda metric, value, step: ours.record_metrics(step, {metric: value})))

    def shape(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: shape(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [shape(item) for item in value]
        volatile = ("start_time", "stop_time", "heartbeat", "file_id", "id", "_id")
        return type(value) if key in volatile or not isinstance(value, str | int | float) else value

    database = server.client[name]
    expected, found = (database["runs"].find_one({"_id": number}) for number in (1, 2))
    assert set(found) - set(expected) == {"uid"}
    del found["uid"]
    for run in (expected, found):
        run["experiment"]["sources"] = [[name, type(key)] for name, key in run["experiment"]["sources"]]
    assert shape(found) == shape(expected)
    expected, found = (database["metrics"].find_one({"run_id": number}) for number in (1, 2))
    assert shape(found) | {"run_id": 1} | {"timestamps": shape(expected["timestamps"])} == shape(expected)
    expected, found = (database["fs.files"].find_one({"filename": f"artifact://runs/{n}/agent.pickle"}) for n in (1, 2))
    assert set(found) >= {"filename", "length", "chunkSize", "uploadDate"}
    assert set(expected) - {"contentType", "metadata"} <= set(found)


def test_two_programs_cannot_write_the_same_points(server, name, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, lambda run: log(observer, 1))
    mirrors = [mirror.Mirror(server.client, name, observer.folder) for _ in range(2)]
    for each in mirrors:
        each.update()
    with open(observer.folder / run_folder.METRIC_LINES, "a") as file:
        file.write('{"step": 2, "timestamp": "2026-01-01T00:00:00", "popsize": 40}\n')
    mirrors[0].update()
    with pytest.raises(mirror.Diverged):
        mirrors[1].update()
    assert server.client[name]["metrics"].find_one({"name": "popsize"})["steps"] == [1, 2]


def test_replaced_artifacts_and_what_was_broken_off_leave_nothing_behind(server, name, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, lambda run: add(observer, run, "best.pickle", b"old" * 200_000))
    each = mirror.Mirror(server.client, name, observer.folder)
    each.update()
    new = b"new" * 200_000
    (observer.folder / "best.new").write_bytes(new)
    (observer.folder / "best.new").rename(observer.folder / "best.pickle")
    key = grid_files.object_id("artifact://runs/1/best.pickle", hashlib.sha256(new).hexdigest())
    stray = [{"files_id": key, "n": n, "data": b"stray"} for n in (1, 7)]
    server.client[name]["fs.chunks"].insert_many(stray)
    each.update()
    found = state(server, name)
    assert found["artifacts"] == {"best.pickle": new}
    assert found["files"] == 1
    assert server.client[name]["fs.chunks"].count_documents({"files_id": key}) == 3


def test_an_agent_that_was_deleted_from_the_folder_stays_in_the_database(server, name, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, lambda run: [add(observer, run, artifact, artifact.encode()) for artifact in "abc"] and None)
    first = mirror.Mirror(server.client, name, observer.folder)
    for each in (first, first, mirror.Mirror(server.client, name, observer.folder)):
        each.update()
        (observer.folder / "b").unlink(missing_ok=True)
        assert state(server, name)["artifacts"] == {"a": b"a", "b": b"b", "c": b"c"}


def test_a_database_that_was_emptied_is_filled_again(server, name, undisturbed, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, training(observer))
    each = mirror.Mirror(server.client, name, observer.folder)
    each.update()
    server.client.drop_database(name)
    (observer.folder / run_folder.INFO).write_text('{"resumed_from": "results/2"}')
    with pytest.raises(mirror.Diverged, match="run 1 was deleted"):
        each.update()
    (observer.folder / run_folder.INFO).write_text('{"resumed_from": "results/1"}')
    each.update()
    assert state(server, name) == undisturbed


def test_nothing_is_sent_by_sync_while_the_run_goes_on(server, name, tmp_path, capsys):
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{server.port}:{name}"))
    codes = []
    record(observer, lambda run: codes.append(sync.main([str(tmp_path), "-m", f"127.0.0.1:{server.port}:other"])))
    assert codes == [1]
    assert "is going on" in capsys.readouterr().err
    assert "other" not in server.client.list_database_names()


def test_ids_of_files_and_database_agree(server, name, tmp_path):
    (tmp_path / "4").mkdir()
    database = server.client[name]
    database["runs"].insert_many([{"_id": 6}, {"_id": "seven"}])

    def run(mongo: str | None = f"127.0.0.1:{server.port}:{name}", **options: Any) -> tuple[Any, str]:
        observer = Recorder(tmp_path, None if mongo is None else address.parse_target(mongo))
        finished = record(observer, lambda run: None, **options)
        return finished._id, observer.folder.name

    assert run() == (7, "7")
    (tmp_path / "11").mkdir()
    assert run() == (12, "12")
    assert run(id="30")[1] == "30"
    assert run(id="mine")[1] == "mine"
    assert run() == (31, "31")
    assert {found["_id"] for found in database["runs"].find()} == {6, "seven", 7, 12, 30, "mine", 31}
    for taken, where in (("6", "database"), ("4", "exists already"), ("mine", "exists already")):
        with pytest.raises(WrongInput, match=where):
            run(id=taken)
    assert not (tmp_path / "6").exists()
    with pytest.raises(WrongInput, match="without /"):
        run(id="../x")
    assert run(None, id="alone") == ("alone", "alone")  # in files only
    with pytest.raises(WrongInput, match="exists already"):
        run(None, id="alone")


def test_wrong_password_and_no_secret_anywhere(tmp_path, caplog, capfd):
    own = Server(tmp_path / "data")
    own.client["admin"].command("createUser", "rosalind", pwd="s3cret/word", roles=["root"])
    own.kill()
    own.start("--auth")
    try:
        good = f"mongodb://rosalind:s3cret%2Fword@127.0.0.1:{own.port}/exp?authSource=admin"
        results = tmp_path / "results"
        observer = Recorder(results, address.parse_target(good))
        record(observer, lambda run: observer.record_metrics(1, {"a": 1}), loglevel="DEBUG")
        from pymongo import MongoClient

        with MongoClient(good) as client:
            assert client["exp"]["runs"].find_one()["status"] == "COMPLETED"
            everything = repr(list(client["exp"]["runs"].find()))
        for wrong in (good.replace("word@", "words@"), f"127.0.0.1:{own.port}:exp"):
            observer = Recorder(tmp_path / "saved", address.parse_target(wrong), lambda config: "stamp")
            with pytest.raises(UserError, match=r"[Aa]uth") as refusal:
                record(observer, lambda run: None, loglevel="DEBUG")
            everything += str(refusal.value)
        with pytest.raises(RuntimeError, match="broken"):
            record(Recorder(results, address.parse_target(good)), _fail, loglevel="DEBUG")
        everything += caplog.text + "".join(capfd.readouterr())
        everything += "".join(p.read_text() for p in results.glob("*/*") if p.parent.name != "_sources")
        assert "s3cret" not in everything
        assert "rosalind" not in everything
        assert "127.0.0.1" in everything
    finally:
        own.kill()


def test_tools_show_no_secret_of_a_user_whom_the_server_refuses(tmp_path, capfd):
    own = Server(tmp_path / "data")
    own.client["admin"].command("createUser", "rosalind", pwd="s3cret/word", roles=[])
    own.kill()
    own.start("--auth")
    try:
        guest = f"mongodb://rosalind:s3cret%2Fword@127.0.0.1:{own.port}/exp?authSource=admin"
        assert plot.main(["1", "--mongo", guest]) == 1
        assert compare.main(["1", "2", "--mongo", guest]) == 2
        everything = "".join(capfd.readouterr()) + repr(list(installation.check_mongo(guest)))
        assert everything.count(f"MongoDB 127.0.0.1:{own.port}/exp refuses: ") == 3
        assert "s3cret" not in everything
        assert "rosalind" not in everything
    finally:
        own.kill()


def _fail(run: Any) -> None:
    raise RuntimeError("broken")


def test_status_of_a_failed_run_and_of_an_interrupted_one(server, name, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_HURRY", 120)  # however slow the machine is

    def interrupt(run: Any) -> None:
        raise KeyboardInterrupt

    for main, error in ((_fail, RuntimeError), (interrupt, KeyboardInterrupt)):
        with pytest.raises(error):
            record(Recorder(tmp_path, address.parse_target(f"127.0.0.1:{server.port}:{name}")), main)
    failed, interrupted = server.client[name]["runs"].find()
    assert failed["status"] == "FAILED"
    assert "RuntimeError: broken" in failed["fail_trace"][-1]
    assert interrupted["status"] == "INTERRUPTED"
    for run in (failed, interrupted):
        on_disk = run_folder.read_json(tmp_path / str(run["_id"]) / run_folder.RUN)
        assert on_disk["status"] == run["status"]
        assert on_disk.get("fail_trace") == run.get("fail_trace")


def test_output_of_50_mb_and_an_agent_of_100_mb(server, name, tmp_path):
    content = np.random.default_rng(1).bytes(100 * 2**20)
    line = "x" * 999 + "\n"
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{server.port}:{name}"))

    def main(run: Any) -> None:
        add(observer, run, "agent.pickle", content)
        for number in range(50_000):
            print(f"{number:06d}", line, end="")

    record(observer, main)
    run = server.client[name]["runs"].find_one()
    fs = GridFS(server.client[name])
    stored = {artifact["name"]: fs.get(artifact["file_id"]).read() for artifact in run["artifacts"]}
    assert stored["agent.pickle"] == content
    written = (observer.folder / run_folder.OUTPUT).read_bytes()
    assert len(written) == 50_000 * (1000 + 7)
    assert stored[run_folder.OUTPUT] == written
    shown = run["captured_out"].encode()
    assert len(shown) < mirror.LONGEST_OUTPUT
    assert shown[:1000] == written[:1000]
    assert shown[-1000:] == written[-1000:]
    assert str(len(written)).encode() in shown


def test_more_points_than_a_document_holds_are_told(server, name, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mirror, "MOST_POINTS", 5)
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{server.port}:{name}"))
    record(observer, training(observer), loglevel="WARNING")
    assert state(server, name)["metrics"]["popsize"][0] == [1, 2, 3, 4, 5]
    assert caplog.text.count("takes the first 5 points of popsize") == 1
    assert len(json.loads((observer.folder / run_folder.METRICS).read_text())["popsize"]["steps"]) == GENERATIONS

"""A run's record in MongoDB, against a real server, through whatever happens to it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mongo_server import Relay, Server, free_port
from sacred import Experiment
from sacred.observers import MongoObserver
from sacred.utils import SacredError

from mpi_pgpe import sync
from mpi_pgpe.records import delivery, files, mirror, target
from mpi_pgpe.records.recorder import Recorder
from mpi_pgpe.records.tamed import capture_by_sacred

pytestmark = pytest.mark.launches

GENERATIONS = 12
BEAT = 0.05


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    opened = Relay(server.port)
    yield opened
    opened.shut()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A database of the test's own."""
    return f"t{abs(hash(request.node.name)):x}"


def record(observer: Any, main: Callable[[Any], Any], config: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run `main(run)` as a sacred experiment with an observer."""
    experiment = Experiment("tried", base_dir=str(Path(__file__).parent), save_git_info=False)
    experiment.observers.append(observer)
    experiment.add_config(config or {"env_name": "CartPole-v1", "seed": 1, "nested": {"a": [1, None, "x"]}})

    @experiment.main
    def program(_run: Any) -> Any:
        if isinstance(observer, Recorder):
            with observer.captured():
                return main(_run)
        return main(_run)

    given = {f"--{key}": value for key, value in options.items()}
    return experiment.run(options={"--beat_interval": BEAT, "--loglevel": "ERROR"} | given)


def log(observer: Recorder, generation: int) -> None:
    values = {"pop_mean": generation / 2, "popsize": 40, "pop_best": np.float32(generation)}
    if generation % 4 == 0:
        values["re_eval_mean"] = float("nan") if generation == 8 else float("inf")
    observer.record_metrics(generation, values)
    print(f"generation={generation}")


def add(observer: Recorder, run: Any, artifact: str, content: bytes) -> None:
    path = observer.folder / artifact
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").rename(path)
    run.add_artifact(str(path), artifact)


def training(observer: Recorder, disturb: Callable[[int], None] = lambda generation: None) -> Callable[[Any], float]:
    """A run whose record is the same each time, with something happening at each generation."""

    def main(run: Any) -> float:
        for generation in range(1, GENERATIONS + 1):
            disturb(generation)
            log(observer, generation)
            if generation % 3 == 0:
                add(observer, run, f"agent{generation}.pickle", bytes([generation]) * 700_000)
                add(observer, run, "best.pickle", b"best" * generation)
            run.info["resumed_from"] = "results/1"
            run.result = float(generation)
            time.sleep(BEAT / 2)
        return float(GENERATIONS)

    return main


def state(server: Server, name: str, run_id: Any = 1) -> dict[str, Any]:
    """What the database holds of a run, without what differs between any two runs."""
    database = server.client[name]
    run = database["runs"].find_one({"_id": run_id})
    assert run is not None
    volatile = ("start_time", "stop_time", "heartbeat", "uid", "_id")
    assert all(run[key] for key in volatile)
    artifacts = {}
    for artifact in run["artifacts"]:
        file = database["fs.files"].find_one({"_id": artifact["file_id"]})
        chunks = database["fs.chunks"].find({"files_id": artifact["file_id"]}).sort("n", 1)
        content = b"".join(chunk["data"] for chunk in chunks)
        assert file["filename"] == f"artifact://runs/{run_id}/{artifact['name']}"
        assert file["length"] == len(content)
        artifacts[artifact["name"]] = content
    metrics = {}
    for metric in run["info"].get("metrics", []):
        found = list(database["metrics"].find({"run_id": run_id, "name": metric["name"]}))
        assert [str(m["_id"]) for m in found] == [metric["id"]]
        assert len(found[0]["timestamps"]) == len(found[0]["steps"])
        metrics[metric["name"]] = (found[0]["steps"], [repr(value) for value in found[0]["values"]])
    assert database["metrics"].count_documents({"run_id": run_id}) == len(metrics)
    kept = {file["_id"] for file in database["fs.files"].find({}, {"_id": 1})}
    assert {chunk["files_id"] for chunk in database["fs.chunks"].find({}, {"files_id": 1})} <= kept, "left-over chunks"
    run["info"].pop("metrics", None)
    rest = {key: value for key, value in run.items() if key not in (*volatile, "artifacts", "host", "meta")}
    return rest | {
        "artifacts": artifacts,
        "metrics": metrics,
        "files": database["fs.files"].count_documents({}) - len(run["experiment"]["sources"]),
    }


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of `training` when nothing happens to it."""
    observer = Recorder(tmp_path_factory.mktemp("results"), target.parse(f"127.0.0.1:{server.port}:undisturbed"))
    record(observer, training(observer))
    found = state(server, "undisturbed")
    assert found["status"] == "COMPLETED"
    assert found["result"] == GENERATIONS
    assert found["info"] == {"resumed_from": "results/1"}
    assert found["captured_out"] == "".join(f"generation={g + 1}\n" for g in range(GENERATIONS))
    assert found["metrics"]["pop_mean"] == (list(range(1, 13)), [repr(g / 2) for g in range(1, 13)])
    assert found["metrics"]["re_eval_mean"] == ([4, 8, 12], ["inf", "nan", "inf"])
    assert found["artifacts"]["best.pickle"] == b"best" * 12
    assert found["artifacts"]["agent9.pickle"] == bytes([9]) * 700_000
    assert found["files"] == 5
    return found


def test_layout_is_that_of_sacreds_own_observer(server: Server, name: str, tmp_path: Path) -> None:
    # Readers such as Omniboard are written for it.
    capture_by_sacred(False)  # the other one prints

    def program(run: Any, log_metric: Callable[[str, float, int], None]) -> float:
        for step in range(3):
            log_metric("pop_mean", step / 2, step)
        (tmp_path / "agent.pickle").write_bytes(b"agent")
        run.add_artifact(str(tmp_path / "agent.pickle"))
        run.info["resumed_from"] = "results/1"
        time.sleep(3 * BEAT)
        return 1.5

    theirs = MongoObserver(f"mongodb://127.0.0.1:{server.port}", name)
    ours = Recorder(tmp_path / "results", target.parse(f"127.0.0.1:{server.port}:{name}"))
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


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("refuses", 3),
        ("freezes", 1),
        pytest.param("refuses", 60, marks=pytest.mark.slow),
    ],
)
def test_outage(kind, seconds, relay, server, name, undisturbed, tmp_path):
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))
    waited = []

    def disturb(generation: int) -> None:
        began = time.monotonic()
        if generation == 4:
            (relay.shut if kind == "refuses" else relay.frozen.set)()
            threading.Timer(seconds, relay.open if kind == "refuses" else relay.frozen.clear).start()
        if generation == 10:
            time.sleep(seconds)
        else:
            waited.append(time.monotonic() - began)

    record(observer, training(observer, disturb))
    assert max(waited) < seconds, "training waited for the database"
    assert state(server, name) == undisturbed


def test_server_killed_and_restarted(name, undisturbed, tmp_path):
    own = Server(tmp_path / "data")
    try:
        observer = Recorder(tmp_path / "results", target.parse(f"127.0.0.1:{own.port}:{name}"))

        def disturb(generation: int) -> None:
            if generation in {4, 8}:
                own.kill()
            if generation in {6, 9}:
                own.start()

        record(observer, training(observer, disturb))
        assert state(own, name) == undisturbed
    finally:
        own.kill()


@pytest.mark.parametrize("after", [5_000, 1_500_000])
def test_broken_off_in_the_middle_of_an_artifact(after, relay, server, name, undisturbed, tmp_path):
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 3:
            relay.break_after = after  # of the 2.8 MB to come
        if generation == 8:
            relay.break_after = None
            relay.shut()
            relay.open()

    record(observer, training(observer, disturb))
    assert state(server, name) == undisturbed


@pytest.mark.parametrize("lost", [1, 3])
def test_what_was_written_is_not_written_twice_when_the_answer_is_lost(
    lost, relay, server, name, undisturbed, tmp_path
):
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation in {2, 5, 9}:
            relay.drop_replies = lost

    record(observer, training(observer, disturb))
    assert state(server, name) == undisturbed


def test_outage_at_the_last_heartbeat(relay, server, name, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_PATIENCE", 60)
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))
    main = training(observer)

    def until_the_end(run: Any) -> float:
        result = main(run)
        relay.shut()
        threading.Timer(7, relay.open).start()
        return result

    record(observer, until_the_end)
    assert state(server, name) == undisturbed


@pytest.mark.parametrize("kind", ["refuses", "freezes"])
def test_gone_for_good(kind, relay, server, name, undisturbed, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(delivery, "_PATIENCE", 0.5)
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 5:
            (relay.shut if kind == "refuses" else relay.frozen.set)()

    run = record(observer, training(observer, disturb))
    assert run.result == GENERATIONS
    command = f"python -m mpi_pgpe.sync {tmp_path}/1 -m 127.0.0.1:{relay.port}:{name}"
    assert command in capfd.readouterr().err
    assert server.client[name]["runs"].find_one()["status"] == "RUNNING"

    relay.frozen.clear()
    relay.shut()
    relay.open()
    for _ in range(2):  # the second time there is nothing left to do
        assert sync.main(command.split()[3:]) == 0
        assert state(server, name) == undisturbed
        assert server.client[name]["runs"].count_documents({}) == 1


def test_a_server_that_answers_but_takes_nothing_holds_up_nobody(server, name, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(delivery, "_PATIENCE", 0.5)
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 1:  # somebody else's points are where this run's have to go
            key = mirror._object_id(files.read_json(observer.folder / files.RUN)["uid"], "metric", "popsize")
            server.client[name]["metrics"].insert_one({"_id": key, "name": "popsize", "steps": [1, 2, 3]})

    record(observer, training(observer, disturb))
    assert "another program has written points of popsize" in capfd.readouterr().err


def test_two_programs_cannot_write_the_same_points(server, name, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, lambda run: log(observer, 1))
    mirrors = [mirror.Mirror(server.client, name, observer.folder) for _ in range(2)]
    for each in mirrors:
        each.update()
    with open(observer.folder / files.METRIC_LINES, "a") as file:
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
    key = mirror._object_id("artifact://runs/1/best.pickle", hashlib.sha256(new).hexdigest())
    stray = [{"files_id": key, "n": n, "data": b"stray"} for n in (1, 7)]
    server.client[name]["fs.chunks"].insert_many(stray)
    each.update()
    found = state(server, name)
    assert found["artifacts"] == {"best.pickle": new}
    assert found["files"] == 1
    assert server.client[name]["fs.chunks"].count_documents({"files_id": key}) == 3


def test_nothing_is_sent_by_sync_while_the_run_goes_on(server, name, tmp_path, capsys):
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}"))
    codes = []
    record(observer, lambda run: codes.append(sync.main([str(tmp_path), "-m", f"127.0.0.1:{server.port}:other"])))
    assert codes == [1]
    assert "is going on" in capsys.readouterr().err
    assert "other" not in server.client.list_database_names()


def test_nothing_listens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port = free_port()
    observer = Recorder("saved_agents", target.parse(f"127.0.0.1:{port}:db"), lambda config: "stamp")
    started = []
    with pytest.raises(SacredError, match=rf"127\.0\.0\.1:{port}/db cannot be used: .*refused"):
        record(observer, started.append)
    assert not started
    assert not list(Path("saved_agents").iterdir())


def test_unreachable_at_the_start_with_files_beside_it(relay, server, name, undisturbed, tmp_path, caplog):
    # Meanwhile another run takes the id that the folder has.
    server.client[name]["runs"].insert_one({"_id": 1})
    relay.shut()
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 1:
            assert f"127.0.0.1:{relay.port}/{name} cannot be used" in caplog.text
        if generation == 5:
            relay.open()

    record(observer, training(observer, disturb), loglevel="WARNING")
    assert observer.folder.name == "1"
    found = state(server, name, 2)
    assert found == undisturbed


def test_ids_of_files_and_database_agree(server, name, tmp_path):
    (tmp_path / "4").mkdir()
    database = server.client[name]
    database["runs"].insert_many([{"_id": 6}, {"_id": "seven"}])

    def run(**options: Any) -> tuple[Any, str]:
        observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}"))
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
        with pytest.raises(SacredError, match=where):
            run(id=taken)
    assert not (tmp_path / "6").exists()
    with pytest.raises(SacredError, match="without /"):
        run(id="../x")


def test_wrong_password_and_no_secret_anywhere(tmp_path, caplog, capfd):
    own = Server(tmp_path / "data")
    own.client["admin"].command("createUser", "rosalind", pwd="s3cret/word", roles=["root"])
    own.kill()
    own.start("--auth")
    try:
        good = f"mongodb://rosalind:s3cret%2Fword@127.0.0.1:{own.port}/exp?authSource=admin"
        results = tmp_path / "results"
        observer = Recorder(results, target.parse(good))
        record(observer, lambda run: observer.record_metrics(1, {"a": 1}), loglevel="DEBUG")
        from pymongo import MongoClient

        with MongoClient(good) as client:
            assert client["exp"]["runs"].find_one()["status"] == "COMPLETED"
            everything = repr(list(client["exp"]["runs"].find()))
        for wrong in (good.replace("word@", "words@"), f"127.0.0.1:{own.port}:exp"):
            observer = Recorder(tmp_path / "saved", target.parse(wrong), lambda config: "stamp")
            with pytest.raises(SacredError, match=r"[Aa]uth") as refusal:
                record(observer, lambda run: None, loglevel="DEBUG")
            everything += str(refusal.value)
        with pytest.raises(RuntimeError, match="broken"):
            record(Recorder(results, target.parse(good)), _fail, loglevel="DEBUG")
        everything += caplog.text + "".join(capfd.readouterr())
        everything += "".join(p.read_text() for p in results.glob("*/*") if p.parent.name != "_sources")
        assert "s3cret" not in everything
        assert "rosalind" not in everything
        assert "127.0.0.1" in everything
    finally:
        own.kill()


def _fail(run: Any) -> None:
    raise RuntimeError("broken")


def test_status_of_a_failed_run_and_of_an_interrupted_one(server, name, tmp_path):
    def interrupt(run: Any) -> None:
        raise KeyboardInterrupt

    for main, error in ((_fail, RuntimeError), (interrupt, KeyboardInterrupt)):
        with pytest.raises(error):
            record(Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}")), main)
    failed, interrupted = server.client[name]["runs"].find()
    assert failed["status"] == "FAILED"
    assert "RuntimeError: broken" in failed["fail_trace"][-1]
    assert interrupted["status"] == "INTERRUPTED"
    for run in (failed, interrupted):
        on_disk = files.read_json(tmp_path / str(run["_id"]) / files.RUN)
        assert on_disk["status"] == run["status"]
        assert on_disk.get("fail_trace") == run.get("fail_trace")


def test_output_of_50_mb_and_an_agent_of_100_mb(server, name, tmp_path):
    content = np.random.default_rng(1).bytes(100 * 2**20)
    line = "x" * 999 + "\n"
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}"))

    def main(run: Any) -> None:
        add(observer, run, "agent.pickle", content)
        for number in range(50_000):
            print(f"{number:06d}", line, end="")

    record(observer, main)
    run = server.client[name]["runs"].find_one()
    fs = mirror.GridFS(server.client[name])
    stored = {artifact["name"]: fs.get(artifact["file_id"]).read() for artifact in run["artifacts"]}
    assert stored["agent.pickle"] == content
    written = (observer.folder / files.OUTPUT).read_bytes()
    assert len(written) == 50_000 * (1000 + 7)
    assert stored[files.OUTPUT] == written
    shown = run["captured_out"].encode()
    assert len(shown) < mirror.LONGEST_OUTPUT
    assert shown[:1000] == written[:1000]
    assert shown[-1000:] == written[-1000:]
    assert str(len(written)).encode() in shown


def test_more_points_than_a_document_holds_are_told(server, name, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mirror, "MOST_POINTS", 5)
    observer = Recorder(tmp_path, target.parse(f"127.0.0.1:{server.port}:{name}"))
    record(observer, training(observer), loglevel="WARNING")
    assert state(server, name)["metrics"]["popsize"][0] == [1, 2, 3, 4, 5]
    assert caplog.text.count("takes the first 5 points of popsize") == 1
    assert len(json.loads((observer.folder / files.METRICS).read_text())["popsize"]["steps"]) == GENERATIONS

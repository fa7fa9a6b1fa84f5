"""A run's record in MongoDB, against a real server, through whatever happens to it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mongo_server import Server, free_port
from pymongo.errors import PyMongoError
from recorded import GENERATIONS, add, record, state, training

from mpi_pgpe import sync
from mpi_pgpe.base.errors import UserError, WrongInput
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.mongo import address, delivery, grid_files, mirror
from mpi_pgpe.runs.recorder import Recorder

pytestmark = [pytest.mark.launches, pytest.mark.usefixtures("patience")]
pytest_plugins = ["mongo_fixtures"]


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("refuses", 3),
        ("freezes", 1),
        pytest.param("refuses", 60, marks=pytest.mark.slow),
        pytest.param("freezes", 25, marks=pytest.mark.slow),
    ],
)
def test_outage(kind, seconds, relay, server, name, undisturbed, tmp_path, caplog):
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))
    late, on_its_own = threading.Event(), []

    def come_back() -> None:
        on_its_own.append(late.wait(60))
        while kind == "refuses" and "does not take" not in caplog.text:  # when that is depends on the machine
            time.sleep(0.05)
        time.sleep(seconds)
        (relay.open if kind == "refuses" else relay.frozen.clear)()

    def disturb(generation: int) -> None:
        if generation == 4:
            (relay.shut if kind == "refuses" else relay.frozen.set)()
            threading.Thread(target=come_back, daemon=True).start()
        if generation == 10:
            late.set()
            time.sleep(seconds)

    record(observer, training(observer, disturb), loglevel="WARNING")
    assert on_its_own == [True], "training waited for the database"
    assert state(server, name) == undisturbed
    assert ("does not take" in caplog.text) == (kind == "refuses"), "a server that is busy for a while is not gone"


def test_a_slow_server_is_waited_for_with_words_and_a_bound(
    relay, server, name, undisturbed, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(delivery, "_LONGEST_WAIT", 1.0)
    monkeypatch.setattr(delivery, "_SECONDS_BETWEEN_WORDS", 0.4)

    def disturb(generation: int) -> None:
        if generation == 4:
            relay.late = 0.15

    address_of = f"127.0.0.1:{relay.port}:{name}"
    observer = Recorder(tmp_path, address.parse_target(address_of))
    record(observer, training(observer, disturb))
    said = capsys.readouterr().err
    assert "points of its metrics so far. Waiting for the rest, 1 s at most" in said
    assert "it is slow, and a run that is over waits no longer than 1 s" in said
    assert f"python -m mpi_pgpe.sync {tmp_path / '1'}" in said
    run = server.client[name]["runs"].find_one()
    assert run is not None
    assert run["status"] == "RUNNING"
    assert observer._delivery is not None
    observer._delivery.join()  # ends with its program, which here goes on
    assert sync.main([str(tmp_path / "1"), "-m", address_of]) == 0  # as slow as before
    assert state(server, name) == undisturbed


@pytest.mark.slow
def test_an_outage_of_hours_in_a_run_of_100000_generations(relay, server, name, tmp_path):
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def main(run: Any) -> None:
        for generation in range(1, 100_001):
            if generation == 1000:
                relay.shut()
            if generation == 99_000:
                relay.open()
            values = {"generation": generation, "pop_mean": np.float32(generation / 7)}
            observer.record_metrics(generation, values | ({} if generation % 10 else {"re_eval_mean": np.nan}))

    record(observer, main)
    recorded = run_folder.read_json(observer.folder / run_folder.METRICS)
    delivered = {metric["name"]: metric for metric in server.client[name]["metrics"].find()}
    assert recorded.keys() == delivered.keys() == {"generation", "pop_mean", "re_eval_mean"}
    assert recorded["generation"]["values"] == list(range(1, 100_001))
    for metric, columns in recorded.items():
        assert delivered[metric]["steps"] == columns["steps"]
        assert repr(delivered[metric]["values"]) == repr(columns["values"])
    assert server.client[name]["runs"].find_one()["status"] == "COMPLETED"


def test_server_killed_and_restarted(name, undisturbed, tmp_path):
    own = Server(tmp_path / "data")
    try:
        observer = Recorder(tmp_path / "results", address.parse_target(f"127.0.0.1:{own.port}:{name}"))

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
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

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
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation in {2, 5, 9}:
            relay.drop_replies = lost

    record(observer, training(observer, disturb))
    assert state(server, name) == undisturbed


def test_whichever_answer_is_lost_nothing_is_there_twice(relay, server, name, tmp_path):
    observer = Recorder(tmp_path)
    record(observer, lambda run: add(observer, run, "best.pickle", b"0"))
    each = mirror.Mirror(
        address.connect(address.parse_target(f"127.0.0.1:{relay.port}:{name}")), name, Path(observer.folder)
    )
    lost = 0
    for step in range(1, 12):
        with open(observer.folder / run_folder.METRIC_LINES, "a") as file:
            file.write(f'{{"step": {step}, "timestamp": "2026-01-01T00:00:00", "popsize": {step}}}\n')
        (observer.folder / "new").write_bytes(b"agent %d" % step)
        (observer.folder / "new").rename(observer.folder / "best.pickle")
        relay.replies_until_loss = step % 10
        while True:
            try:
                each.update()
                break
            except PyMongoError:
                lost += 1
    assert lost > 5
    found = state(server, name)
    assert found["metrics"]["popsize"] == (list(range(1, 12)), [str(step) for step in range(1, 12)])
    assert found["artifacts"] == {"best.pickle": b"agent 11"}
    assert found["files"] == 1


def test_outage_at_the_last_heartbeat(relay, server, name, undisturbed, tmp_path):
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))
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
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 5:
            (relay.shut if kind == "refuses" else relay.frozen.set)()

    run = record(observer, training(observer, disturb))
    assert run.result == GENERATIONS
    command = f"python -m mpi_pgpe.sync {tmp_path}/1 -m 127.0.0.1:{relay.port}:{name}"
    assert command in capfd.readouterr().err
    assert server.client[name]["runs"].find_one()["status"] == "RUNNING"

    relay.shut()
    relay.frozen.clear()
    assert observer._delivery is not None
    observer._delivery.join()  # a program would have ended here
    relay.open()
    for _ in range(2):  # the second time there is nothing left to do
        assert sync.main(command.split()[3:]) == 0
        assert state(server, name) == undisturbed
        assert server.client[name]["runs"].count_documents({}) == 1


@pytest.mark.parametrize("kind", ["refuses", "freezes"])
def test_a_run_that_failed_does_not_wait_for_a_server_that_is_away(kind, relay, server, name, tmp_path, capfd):
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def fail(run: Any) -> None:
        (relay.shut if kind == "refuses" else relay.frozen.set)()
        raise RuntimeError("the joint broke")

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="the joint broke"):
        record(observer, fail)
    assert time.monotonic() - began < 60, "half the patience with the server of a run that is complete"
    assert run_folder.read_json(observer.folder / run_folder.RUN)["status"] == "FAILED"
    command = f"python -m mpi_pgpe.sync {tmp_path}/1 -m 127.0.0.1:{relay.port}:{name}"
    assert command in capfd.readouterr().err
    relay.shut()
    relay.frozen.clear()
    assert observer._delivery is not None
    observer._delivery.join()  # a program would have ended here
    relay.open()
    assert sync.main(command.split()[3:]) == 0
    assert server.client[name]["runs"].find_one()["status"] == "FAILED"


def test_a_server_that_answers_but_takes_nothing_holds_up_nobody(server, name, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(delivery, "_PATIENCE", 0.5)
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{server.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 1:  # somebody else's points are where this run's have to go
            key = grid_files.object_id(
                run_folder.read_json(observer.folder / run_folder.RUN)["uid"], "metric", "popsize"
            )
            server.client[name]["metrics"].insert_one({"_id": key, "name": "popsize", "steps": [1, 2, 3]})

    record(observer, training(observer, disturb))
    assert "another program has written points of this run" in capfd.readouterr().err


def test_nothing_listens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port = free_port()
    observer = Recorder("saved_agents", address.parse_target(f"127.0.0.1:{port}:db"), lambda config: "stamp")
    started = []
    with pytest.raises(UserError, match=rf"127\.0\.0\.1:{port}/db cannot be used: .*refused"):
        record(observer, started.append)
    assert not started
    assert not list(Path("saved_agents").iterdir())


@pytest.mark.parametrize(("other", "expected"), [(7, 1), (1, 2)])  # in the second, its folder's id is taken
def test_unreachable_at_the_start_with_files_beside_it(
    other, expected, relay, server, name, undisturbed, tmp_path, caplog
):
    server.client[name]["runs"].insert_one({"_id": other})
    relay.shut()
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def disturb(generation: int) -> None:
        if generation == 1:
            assert f"127.0.0.1:{relay.port}/{name} cannot be used" in caplog.text
        if generation == 5:
            relay.open()

    record(observer, training(observer, disturb), loglevel="WARNING")
    assert observer.folder.name == "1"
    found = state(server, name, expected)
    assert found == undisturbed


@pytest.mark.parametrize("kind", ["there", "unreachable from the start", "gone"])
def test_a_run_that_is_refused_leaves_no_record(kind, relay, server, name, tmp_path, monkeypatch, capfd):
    if kind == "unreachable from the start":
        relay.shut()
    observer = Recorder(tmp_path, address.parse_target(f"127.0.0.1:{relay.port}:{name}"))

    def main(run: Any) -> None:
        if kind == "gone":
            relay.shut()
            monkeypatch.setattr(delivery, "_PATIENCE", 0.5)
        observer.withdraw()
        raise WrongInput("the two environments do not fit")

    with pytest.raises(WrongInput):
        record(observer, main)
    recorded = [path.name for path in tmp_path.iterdir() if path.name != "_sources"]
    if kind == "gone":  # what cannot be taken back is told, and shown as it was
        assert f"python -m mpi_pgpe.sync {tmp_path}/1" in capfd.readouterr().err
        assert run_folder.read_json(tmp_path / "1" / run_folder.RUN)["status"] == "FAILED"
    else:
        assert recorded == []
        assert server.client[name]["runs"].count_documents({}) == 0

"""The files of a run's folder: readable at any moment, complete at the end, cheap to write."""

from __future__ import annotations

import ast
import datetime
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sacred
from sacred import Experiment
from sacred.observers import FileStorageObserver

import mpi_pgpe
from mpi_pgpe.base.errors import UserError
from mpi_pgpe.cli import sacred_patches
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.dead_runs import NotNow, mark_if_dead
from mpi_pgpe.runs.recorder import Recorder

VALUES = [1.5, float("nan"), float("-inf"), np.float32(0.1), np.int64(7), np.array(2.5), np.bool_(True), 2**70]


def record(observer, main, beat=0.02):
    experiment = Experiment("tried", base_dir=str(Path(__file__).parent), save_git_info=False)
    experiment.observers.append(observer)
    experiment.add_config({"env_name": "CartPole-v1", "seed": 1})

    @experiment.main
    def program(_run):
        return main(_run)

    return experiment.run(options={"--beat-interval": beat, "--loglevel": "ERROR"})


def test_files_are_those_of_sacreds_own_observer(tmp_path, monkeypatch):
    sacred_patches.apply()
    monkeypatch.setitem(sacred.SETTINGS, "CAPTURE_MODE", "sys")  # its default way runs `tee`
    agent = tmp_path / "agent.pickle"
    agent.write_bytes(b"agent")
    found = {}
    for name, observer in (("theirs", FileStorageObserver(tmp_path / "a")), ("ours", Recorder(tmp_path / "b"))):

        def program(run, log, observer=observer):
            for step, value in enumerate(VALUES[:-1]):
                log("pop_mean", value, step)
                log("popsize", 40, step)
                print("step", step)
            run.info["resumed_from"] = "results/1"
            run.add_artifact(str(agent))
            time.sleep(0.06)
            return 3.5

        def main(run, name=name, observer=observer, program=program):
            if name == "theirs":
                return program(run, run.log_scalar)
            with observer.capture_output():
                return program(run, lambda metric, value, step: observer.record_metrics(step, {metric: value}))

        record(observer, main)
        folder = Path(observer.dir)
        read = {path.name: path.read_text() for path in folder.iterdir() if path.suffix in {".json", ".txt"}}
        found[name] = {key: json.loads(text) if key.endswith("json") else text for key, text in read.items()}
        assert (folder / "agent.pickle").read_bytes() == b"agent"

    theirs, ours = found["theirs"], found["ours"]
    assert ours.pop("checksums.json")
    assert set(ours) == set(theirs) == {"run.json", "config.json", "info.json", "metrics.json", "cout.txt"}
    for name in ("config.json", "info.json", "cout.txt"):
        assert ours[name] == theirs[name]
    for run in (theirs["run.json"], ours["run.json"]):
        for volatile in ("start_time", "stop_time", "heartbeat"):
            assert run.pop(volatile)
    assert ours["run.json"].pop("uid")
    assert ours["run.json"] == theirs["run.json"]
    for metrics in (theirs["metrics.json"], ours["metrics.json"]):
        for metric in metrics.values():
            assert len(metric.pop("timestamps")) == len(metric["steps"])
    # sacred leaves a number in an array of no dimensions as its pickle; here it is the number
    theirs["metrics.json"]["pop_mean"]["values"][5] = 2.5
    assert repr(ours["metrics.json"]) == repr(theirs["metrics.json"])


def test_values_of_all_kinds(tmp_path):
    observer = Recorder(tmp_path)
    record(
        observer, lambda run: [observer.record_metrics(i, {"value": value}) for i, value in enumerate(VALUES)] and None
    )
    expected = [1.5, float("nan"), float("-inf"), float(np.float32(0.1)), 7, 2.5, True, 2**70]
    lines = [json.loads(line) for line in (observer.folder / run_folder.METRIC_LINES).read_text().splitlines()]
    assert repr([line["value"] for line in lines]) == repr(expected)
    assert repr(run_folder.read_json(observer.folder / run_folder.METRICS)["value"]["values"]) == repr(expected)


def test_metrics_and_output_are_on_disk_before_any_heartbeat(tmp_path):
    observer = Recorder(tmp_path)
    seen = []

    def main(run):
        with observer.capture_output():
            observer.record_metrics(1, {"a": 1})
            print("generation 1\nhalf a", end="")
            seen.extend((observer.folder / name).read_text() for name in (run_folder.METRIC_LINES, run_folder.OUTPUT))
            print(" line \udcff", end="")

    record(observer, main)
    assert json.loads(seen[0])["a"] == 1
    assert seen[1] == "generation 1\n"
    assert (observer.folder / run_folder.OUTPUT).read_text() == "generation 1\nhalf a line \\udcff"


def test_a_line_cut_off_is_not_read(tmp_path):
    path = tmp_path / run_folder.METRIC_LINES
    path.write_bytes(b'{"step": 1, "timestamp": "t", "a": 1}\n{"step": 2, "timest')
    assert [line for line, _ in run_folder.read_metric_lines(path)] == [{"step": 1, "timestamp": "t", "a": 1}]
    run_folder.write_metrics(tmp_path)
    assert run_folder.read_json(tmp_path / run_folder.METRICS) == {
        "a": {"steps": [1], "timestamps": ["t"], "values": [1]}
    }


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_run_folder import record
from mpi_pgpe.runs.recorder import Recorder
observer = Recorder(sys.argv[1])
def main(run):
    with observer.capture_output():
        for step in range(10**6):
            observer.record_metrics(step, {"a": step, "b": step / 7})
            run.info["step"] = step
            print(step, flush=True)
            if step % 20 == 0:
                path = Path(observer.dir, "agent.pickle")
                path.with_suffix(".new").write_bytes(bytes([step % 256]) * 100_000)
                path.with_suffix(".new").rename(path)
                run.add_artifact(str(path))
record(observer, main)
"""


def test_no_file_is_ever_half_written(tmp_path):
    observer = Recorder(tmp_path)
    stop = threading.Event()
    read = []

    def keep_reading():
        while not stop.is_set():
            for path in (observer.folder / name for name in ("run.json", "info.json", "metrics.json")):
                if path.exists():
                    text = path.read_text()
                    read.append(text if text and text.rstrip().endswith("}") else "half")

    def main(run):
        reader = threading.Thread(target=keep_reading)
        reader.start()
        try:
            for step in range(100):
                observer.record_metrics(step, {"a": step})
                observer.heartbeat_event({"text": "x" * 300_000, "step": step}, "", datetime.datetime.now(), 1.0)
                observer._record._write_metrics()
        finally:
            stop.set()
            reader.join()

    record(observer, main)
    assert len(read) > 100
    assert "half" not in read


@pytest.mark.launches
def test_every_file_is_readable_after_kill_9(tmp_path):
    for attempt in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, Path(__file__).parent], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 60 + 171 * attempt:
                break
        writer.send_signal(signal.SIGKILL)
        logged = int([line, *writer.stdout.read().splitlines()][-1] or line)  # the last one may be cut off
        writer.wait()
        folder = tmp_path / str(attempt + 1)
        lines = [line for line, _ in run_folder.read_metric_lines(folder / run_folder.METRIC_LINES)]
        assert [line["a"] for line in lines] == list(range(len(lines)))
        assert lines[-1]["a"] >= logged - 1, "metrics of a generation were not on disk"
        printed = (folder / run_folder.OUTPUT).read_text().splitlines()
        assert printed[: logged - 1] == [str(step) for step in range(logged - 1)]
        for path in folder.glob("*.json"):
            json.loads(path.read_text())
        assert run_folder.read_json(folder / run_folder.RUN)["status"] == "RUNNING"
        assert len(set((folder / "agent.pickle").read_bytes())) == 1


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from test_run_folder import record
from mpi_pgpe.runs.recorder import Recorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
observer = Recorder(sys.argv[1])
def main(run):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for step in range(600):
        if step == 200:
            resource.setrlimit(resource.RLIMIT_FSIZE, (17_001, limit[1]))
        if step == 400:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        observer.record_metrics(step, {"a": step})
record(observer, main)
"""


@pytest.mark.launches
def test_what_a_full_disk_refuses_is_written_when_there_is_room(tmp_path, launch):
    # The limit on the size of files stands for the end of the disk: writing fails in the middle of a line.
    done = launch("-c", FULL, tmp_path, Path(__file__).parent)
    assert done.returncode == 0, done.stderr
    assert [line["a"] for line, _ in run_folder.read_metric_lines(tmp_path / "1" / run_folder.METRIC_LINES)] == list(
        range(600)
    )
    assert "cannot be written to" in done.stderr
    assert run_folder.read_json(tmp_path / "1" / run_folder.METRICS)["a"]["values"] == list(range(600))


def test_a_folder_has_one_writer(tmp_path):
    held = run_folder.lock_folder(tmp_path)
    assert held is not None
    assert run_folder.lock_folder(tmp_path) is None
    held.close()
    again = run_folder.lock_folder(tmp_path)
    assert again is not None
    again.close()


@pytest.mark.parametrize(("silence", "dead"), [(60, False), (600, False), (3600, True)])
def test_a_run_on_another_machine_is_dead_after_six_heartbeats(tmp_path, silence, dead):
    observer = Recorder(tmp_path)
    record(observer, lambda run: None, 300)
    path = observer.folder / run_folder.RUN
    last = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=silence)
    elsewhere = {"status": "RUNNING", "heartbeat": last.isoformat(), "host": {"hostname": "elsewhere"}}
    run_folder.write_json(path, run_folder.read_json(path) | elsewhere)
    if dead:
        mark_if_dead(observer.folder)
    else:
        with pytest.raises(NotNow, match="going on at elsewhere"):
            mark_if_dead(observer.folder)
    assert run_folder.read_json(path)["status"] == ("DEAD" if dead else "RUNNING")


def test_sources_are_kept_once_and_whole(tmp_path):
    for _ in range(2):
        observer = Recorder(tmp_path)
        record(observer, lambda run: None)
    kept = list((tmp_path / "_sources").iterdir())
    sources = run_folder.read_json(observer.folder / run_folder.RUN)["experiment"]["sources"]
    assert {os.path.basename(stored) for _, stored in sources} == {path.name for path in kept}
    assert any(path.read_text() == Path(__file__).read_text() for path in kept)


def test_no_other_module_names_the_files_of_a_run() -> None:
    """The agents' room names the best agent, which a run's folder shares with folders of agents alone."""
    names = {value for name, value in vars(run_folder).items() if name.isupper() and str(value).count(".") == 1}
    assert {"run.json", "metrics.jsonl", "cout.txt", "completed.json", "best.pickle", ".lock"} <= names
    package = Path(mpi_pgpe.__file__).parent
    elsewhere = [
        f"{path.relative_to(package)}: {node.value}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "run_folder.py"
        if node.value in names
    ]
    assert elsewhere == ["agents/file.py: best.pickle"]


def test_a_disk_that_is_full_at_the_start_is_one_line_and_nothing_stays(tmp_path):
    # The limit on the size of files stands for the end of the disk.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(UserError, match="the run cannot be recorded there: File too large; make room"):
            record(Recorder(tmp_path), lambda run: pytest.fail("it ran"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "1").exists()

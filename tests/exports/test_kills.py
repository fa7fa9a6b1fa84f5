"""An exporter that is killed, and one that follows a run: afterwards each point is there once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import expected, lengthen, read_event_files, read_mlflow, read_table, read_wandb, recorded
from programs import run_program, wait_until
from recorded_runs import FAST

pytestmark = [pytest.mark.launches, pytest.mark.serial]
pytest_plugins = ["recorded_runs"]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mpi_pgpe.export", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def exported_so_far(out: Path) -> int:
    """The generations that are noted."""
    states = [json.loads(path.read_text()) for path in out.glob(".mpi_pgpe/*.json")]
    return max((state.get("done", {}).get("pop_mean", 0) for state in states), default=0)


def kill_midway(run: Path, tool: str, out: Path, begun: Callable[[], bool], generations: int) -> None:
    process = start(run, "--to", tool, "-o", out)
    wait_until(lambda: begun() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had come to its end"
    assert exported_so_far(out) < generations


def finish(run: Path, tool: str, out: Path) -> None:
    done = run_program("-m", "mpi_pgpe.export", run, "--to", tool, "-o", out)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_event_files_after_kills(results, tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    run, out = lengthen(results / "1", tmp_path / "1", 1200), tmp_path / "out"
    for least in (200, 600):
        kill_midway(run, "tensorboard", out, lambda least=least: exported_so_far(out) >= least, 1200)  # type: ignore
    (file,) = out.glob("1/events*")
    with open(file, "ab") as torn:  # what a kill leaves of a record that was not yet noted
        torn.write(file.read_bytes()[-500:-100])
    finish(run, "tensorboard", out)
    finish(run, "tensorboard", tmp_path / "undisturbed")
    ours, undisturbed = (
        list(RawEventFileLoader(str(path)).Load()) for path in (file, tmp_path / "undisturbed/1" / file.name)
    )
    assert len(ours) == len(undisturbed) > 1200 * 30
    assert ours[2:] == undisturbed[2:]  # after the settings, whose order is free
    points = {name: [(step, float(np.float32(v))) for step, v in each] for name, each in expected(run).items()}
    assert read_event_files(out / "1")[0] == points


@pytest.mark.slow
def test_tables_after_kills(results, tmp_path):
    run, out = lengthen(results / "1", tmp_path / "1", 6000), tmp_path / "out"
    for _ in range(3):
        kill_midway(run, "csv", out, (out / "1").is_dir, 6000)
        assert not (out / "1/metrics.csv").exists()
    finish(run, "csv", out)
    assert [int(row["step"]) for row in read_table(out / "1/metrics.csv")] == list(range(1, 6001))


@pytest.mark.slow
def test_mlflow_after_a_kill(results, tmp_path):
    run, out = lengthen(results / "1", tmp_path / "1", 400), tmp_path / "out"
    kill_midway(run, "mlflow", out, lambda: exported_so_far(out) >= 200, 400)
    finish(run, "mlflow", out)
    (stored,) = read_mlflow(out)
    assert {name: sorted(points) for name, points in stored.points.items()} == expected(run)


@pytest.mark.slow
def test_wandb_after_a_kill(results, tmp_path):
    import wandb

    wandb.teardown()  # that of another test
    wandb.setup()  # a service of this process, as a notebook has: it outlives the exporter
    assert os.environ["WANDB_SERVICE"]
    run, out = lengthen(results / "1", tmp_path / "1", 2000), tmp_path / "out"

    def written() -> bool:
        return any(path.stat().st_size > 100_000 for path in out.glob("wandb/offline-run-*/*.wandb"))

    kill_midway(run, "wandb", out, written, 2000)
    finish(run, "wandb", out)
    rows, _, agents, code = read_wandb(out)
    assert [row["generation"] for row in rows] == [line["step"] for line in recorded(run)]
    assert len(agents) == len(list(run.glob("*.pickle")))
    assert code == 0


def follow(tmp_path: Path, tool: str, read: Callable[[Path], Any]) -> Any:
    """What an exporter that follows a training has written, when both have ended by themselves."""
    settings = [*FAST, "seed=1", "niters=150", "max_walltime=60"]
    training = subprocess.Popen([sys.executable, "-m", "mpi_pgpe.train", "-F", tmp_path / "results", "with", *settings],
                                stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_until((tmp_path / "results/1/metrics.jsonl").exists)
        exporter = start(tmp_path / "results/1", "--to", tool, "--follow", "-o", tmp_path / "out")
        out, err = exporter.communicate(timeout=300)
        assert exporter.returncode == 0, err
        assert "(COMPLETED)" in out
        assert training.wait() == 0
    finally:
        training.kill()
    return read(tmp_path / "out")


@pytest.mark.slow
def test_a_run_is_followed_to_its_end(tmp_path):
    points, _ = follow(tmp_path, "tensorboard", lambda out: read_event_files(out / "1"))
    rounded = {n: [(s, float(np.float32(v))) for s, v in p] for n, p in expected(tmp_path / "results/1").items()}
    assert points == rounded
    assert len(points["by_generation/pop_mean"]) == 150
    assert (tmp_path / "out/1/agents/best.pickle").read_bytes() == (tmp_path / "results/1/best.pickle").read_bytes()


@pytest.mark.slow
def test_a_run_is_followed_from_before_its_first_generation(tmp_path):
    training = subprocess.Popen([sys.executable, "-m", "mpi_pgpe.train", "-F", tmp_path / "results", "with", *FAST],
                                stdout=subprocess.DEVNULL)  # fmt: skip
    wait_until((tmp_path / "results/1/run.json").exists)
    training.send_signal(signal.SIGSTOP)
    exporter = start(tmp_path / "results/1", "--to", "csv", "--follow", "-o", tmp_path / "out")
    time.sleep(4)  # two looks at it
    assert exporter.poll() is None
    training.send_signal(signal.SIGCONT)
    out, err = exporter.communicate(timeout=300)
    assert (exporter.returncode, training.wait()) == (0, 0), err
    assert "4 new of 4 generations" in out
    assert len(read_table(tmp_path / "out/1/metrics.csv")) == 4

"""Ctrl-C, SIGTERM and SIGHUP in the commands: nothing half-made stays, and what to do next is said."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from places import HELPERS, python_path
from programs import mpiexec, run_program, wait_until

pytestmark = pytest.mark.launches

ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS), "SECONDS_OF_A_STEP": "0.02"}
SETTINGS = [
    *("env_name=odd_envs:Slow", "seed=3", "niters=50", "popsize=4", "num_interactions=None", "re_eval_interval=50"),
    *("re_eval_num_episodes=1", "checkpoint_seconds=0"),
]
TRAIN = [sys.executable, "-m", "mpi_pgpe.train", "-F", "results", "with", "fast", *SETTINGS]


def stopped(folder: Path, *signals: tuple[float, signal.Signals], ranks: int = 1) -> tuple[int, str, str]:
    """(exit code, output, errors) of a training that gets the signals in generation 2, each after some seconds."""
    launcher = [] if ranks == 1 else [mpiexec(), "-n", str(ranks)]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [*launcher, *TRAIN], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("generation=1 "):
                break
        for seconds, number in signals:
            time.sleep(seconds)
            process.send_signal(number)
        lines += process.stdout.readlines()
        code = process.wait(timeout=300)
    return code, "".join(lines), (folder / "errors").read_text()


def status(folder: Path) -> Any:
    return json.loads((folder / "results/1/run.json").read_text())["status"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_training_says_where_it_is_and_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    code, output, errors = stopped(tmp_path, (0, number))
    assert code == (130 if number == signal.SIGINT else 75), errors
    assert errors.count("\n") == 1
    pattern = rf"train: stopped after generation (\d+): got {number.name}.*\. The run is in results/1\. To go on: .*"
    found = re.fullmatch(pattern + r"resume=(\S+)\n", errors)
    assert found, errors
    assert (tmp_path / found[2]).is_dir()
    assert list((tmp_path / found[2]).glob(f"checkpoint-*{int(found[1]):07}.npz"))
    assert re.fullmatch(r"state_digest=[0-9a-f]{12}", output.splitlines()[-1])
    assert status(tmp_path) == "INTERRUPTED"


@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_a_second_sigterm_changes_nothing(tmp_path: Path, delay: float) -> None:
    code, _, errors = stopped(tmp_path, (0, signal.SIGTERM), (delay, signal.SIGTERM))
    assert code == 75, errors
    assert status(tmp_path) == "INTERRUPTED"


def test_under_mpiexec_ctrl_c_is_told_once(tmp_path: Path) -> None:
    _, _, errors = stopped(tmp_path, (0, signal.SIGINT), ranks=2)
    assert errors.count("train: stopped after generation") == 1
    assert "Traceback" not in errors
    assert status(tmp_path) == "INTERRUPTED"


def test_nohup_keeps_a_training_alive(tmp_path: Path) -> None:
    command = ["nohup", *TRAIN, "niters=3"]
    process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("generation=1 "):
            process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=300) == 0
    assert status(tmp_path) == "COMPLETED"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agent")
    quick = ENVIRONMENT | {"SECONDS_OF_A_STEP": "0"}
    done = run_program(*TRAIN, "niters=1", cwd=folder, env=quick)
    assert done.returncode == 0, done.stderr
    return folder / "results/1/best.pickle"


@pytest.mark.parametrize("ranks", [1, 2])
def test_ctrl_c_in_enjoy_is_one_word(tmp_path: Path, agent: Path, ranks: int) -> None:
    marker = tmp_path / "started"
    slow = ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.05", "STARTED": str(marker)}
    launcher = [] if ranks == 1 else [mpiexec(), "-n", str(ranks)]
    command = [*launcher, sys.executable, "-m", "mpi_pgpe.enjoy", str(agent), "--env", "odd_envs:Slow"]
    process = subprocess.Popen(
        [*command, "--episodes", "1000"],
        cwd=tmp_path,
        env=slow,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(marker.exists)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert out == "" or ranks > 1  # mpiexec has its own say
    assert errors.count("enjoy: interrupted") == 1
    assert "Traceback" not in errors
    if ranks == 1:
        assert (process.returncode, errors) == (130, "enjoy: interrupted\n")


def test_ctrl_c_in_a_film_leaves_no_file(tmp_path: Path, agent: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="films need the extra video")
    folder = tmp_path / "films"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mpi_pgpe.enjoy", str(agent), "--env", "odd_envs:SlowAndSeen", "--video", "film.mp4"],
        cwd=folder,
        env=ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.05"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: any(path.stat().st_size for path in folder.iterdir()))  # ffmpeg has begun to write
    assert [path.name[:10] for path in folder.iterdir()] == [".film.mp4."]
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert (process.returncode, out, errors) == (130, "", "enjoy: interrupted\n")
    assert list(folder.iterdir()) == []

"""Runs that are recorded in MongoDB alone, killed and resumed: there, too, nothing is missing or twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mongo_server import Relay, Server
from places import HELPERS, python_path
from programs import run_program

pytestmark = [pytest.mark.launches, pytest.mark.slow]

TRAIN = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR"]
CONFIG = [
    *("with", "fast", "env_name=odd_envs:Slow", "seed=3", "niters=40", "popsize=4", "num_interactions=None"),
    *("re_eval_interval=10", "re_eval_num_episodes=2", "checkpoint_seconds=0", "checkpoint_interval=3"),
]
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    server = Server(tmp_path_factory.mktemp("server"))
    relay = Relay(server.port)
    relay.client = server.client  # type: ignore[attr-defined]
    yield relay
    relay.shut()
    server.kill()


def killed_after(relay: Relay, cut: int, end: int, *command: str, folder: Path) -> None:
    """Run a command, cut off its database after the generation `cut`, and kill it after `end`."""
    slow = ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.005"}  # so that it is killed long before its end
    program = subprocess.Popen(command, cwd=folder, env=slow, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    for line in program.stdout:
        if line.startswith(f"generation={cut} "):
            relay.shut()
        if line.startswith(f"generation={end} "):
            break
    program.kill()
    program.communicate()
    relay.open()


def joined(database: Any) -> dict[str, list[tuple[int, float]]]:
    """The points of all runs, oldest run first."""
    found: dict[str, list[tuple[int, float]]] = {}
    measured = {"pop_elapsed", "elapsed", "re_eval_elapsed", "ranks", "idle_fraction", "dropped_fraction"}
    for run in database["runs"].find().sort("_id"):
        for metric in database["metrics"].find({"run_id": run["_id"]}):
            if metric["name"] not in measured:
                found.setdefault(metric["name"], []).extend(zip(metric["steps"], metric["values"], strict=True))
    return found


@pytest.mark.parametrize("folders_are_lost", [False, True])
def test_a_killed_run_goes_on_without_a_gap_or_a_generation_twice(
    relay: Relay, tmp_path: Path, folders_are_lost: bool
) -> None:
    name = f"killed{folders_are_lost:d}"
    whole, database = relay.client[f"whole{folders_are_lost:d}"], relay.client[name]  # type: ignore[attr-defined]
    program = run_program(*TRAIN, "-m", f"127.0.0.1:{relay.port}:{whole.name}", *CONFIG, cwd=tmp_path, env=ENVIRONMENT)
    assert program.returncode == 0, program.stderr

    resumed = [*TRAIN, "-m", f"127.0.0.1:{relay.port}:{name}", *CONFIG, "checkpoint=c", "resume=auto"]
    for cut, end in ((5, 11), (12, 20), (25, 25)):
        killed_after(relay, cut, end, *resumed, folder=tmp_path)
        if folders_are_lost:
            shutil.rmtree(tmp_path / "saved_agents")
    last = run_program(*resumed, cwd=tmp_path, env=ENVIRONMENT)
    assert last.returncode == 0, last.stderr
    found, expected = joined(database), joined(whole)
    assert [step for step, _ in found["generation"]] == list(range(1, 41))
    assert found == expected
    statuses = [run["status"] for run in database["runs"].find().sort("_id")]
    assert statuses == [*(["RUNNING" if folders_are_lost else "PROBABLY_DEAD"] * 3), "COMPLETED"]

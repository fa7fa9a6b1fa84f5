"""kill -9 of a rank, or of all, thirty times over one run: nothing is lost, and the result is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import mpiexec, run_program

from mpi_pgpe.agents import read_agent
from mpi_pgpe.parallel.launcher import find_descendants
from mpi_pgpe.runs.checkpoint import read
from mpi_pgpe.runs.run_folder import read_metric_lines

pytestmark = [pytest.mark.launches, pytest.mark.slow]

KILLS = 30
TRAIN = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast"]
CONFIG = [
    "env_name=odd_envs:Slow",
    "seed=3",
    "niters=130",  # of which thirty kills see about forty, and more on a machine that is slow to kill
    "popsize=8",
    "popsize_max=16",
    "num_interactions=300",
    "hidden_size=4",
    "save_interval=30",
    "re_eval_interval=20",
    "re_eval_num_episodes=3",
    "checkpoint_seconds=0",
]
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}


def check_readable(folder: Path) -> int:
    """Read every file that a user sees; returns how many there were."""
    count = 0
    # os.walk passes over a folder that is removed meanwhile, as the one is that a start tries to write in.
    for path in [Path(place, name) for place, _, names in os.walk(folder) for name in names]:
        if path.name.startswith("."):
            continue
        try:
            if path.suffix == ".npz":
                read(path)
            elif path.suffix == ".pickle":
                read_agent(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".jsonl":
                list(read_metric_lines(path))
            else:
                path.read_text()
        except Exception:
            if path.exists():  # else it is an old checkpoint, which was removed meanwhile
                raise
        else:
            count += 1
    return count


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Meanwhile read every file again and again; all have to be readable all the time."""
    over, counts = threading.Event(), [0]

    def read_on() -> None:
        while not over.wait(0.1):
            counts[0] += check_readable(folder)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_on)
        try:
            yield
        finally:
            over.set()
        reader.result()
    assert counts[0] > 1000


def ranks_of(launcher: subprocess.Popen[str]) -> list[int]:
    found = []
    for pid in find_descendants(launcher.pid):
        try:
            if b"mpi_pgpe.train" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def metrics(checkpoints: Path) -> list[tuple[int, int]]:
    """(generation, digest) in the records that the newest checkpoint names, oldest run first.

    These are all but those of runs that were killed before there was any checkpoint, after which another began anew.
    """
    runs = read(max(checkpoints.glob("*.npz")))["runs"]
    lines = [line for run in runs for line, _ in read_metric_lines(Path(run["folder"]) / "metrics.jsonl")]
    return [(line["step"], line["state_digest"]) for line in lines]


def test_thirty_kills_leave_the_result_as_it_is(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    undisturbed = run_program(*TRAIN, *CONFIG, cwd=whole, env=ENVIRONMENT, ranks=2)
    assert undisturbed.returncode == 0, undisturbed.stderr
    rng = random.Random(0)
    command = [mpiexec(), "-n", "3", *TRAIN, *CONFIG, "checkpoint=checkpoints", "resume=auto"]
    slow = ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.002"}  # so that it is far from its end, however slow this process is
    with reading(killed):
        for _ in range(KILLS):
            launcher = subprocess.Popen(
                command, cwd=killed, env=slow, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert launcher.stdout is not None
            # Let it come some generations further, or not even through its start; and then some way into the next.
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                while (line := launcher.stdout.readline()) and not line.startswith("generation="):
                    pass
                assert line, "the run ended by itself"
            time.sleep(rng.uniform(0, 0.2))
            ranks = ranks_of(launcher)
            victims = ranks if rng.random() < 0.3 else rng.sample(ranks, min(1, len(ranks)))
            for victim in victims or [launcher.pid]:
                os.kill(victim, signal.SIGKILL)
            if not victims or len(victims) == len(ranks):
                launcher.kill()
            launcher.stdout.read()
            launcher.wait(timeout=300)
            check_readable(killed)
            assert not (killed / "checkpoints/completed.json").exists()
        last = subprocess.run(
            command, cwd=killed, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
        )
        assert last.returncode == 0, last.stderr
        check_readable(killed)
    ends = [
        json.loads(path.read_text())
        for path in (whole / "results/1/completed.json", killed / "checkpoints/completed.json")
    ]
    assert ends[0]["state_digest"] == ends[1]["state_digest"]
    assert ends[0]["re_eval_mean"] == ends[1]["re_eval_mean"]
    assert metrics(killed / "checkpoints") == metrics(whole / "results/1")
    for path in whole.glob("results/1/*.pickle"):
        written = list(killed.glob(f"results/*/{path.name}"))
        assert written
        if path.name == "best_solution.pickle":  # of the run so far, in each of them
            written = [max(written, key=lambda other: int(other.parent.name))]
        if path.name != "best.pickle":
            assert all(other.read_bytes() == path.read_bytes() for other in written)

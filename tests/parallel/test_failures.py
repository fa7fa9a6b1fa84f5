"""Failures are loud: every rank ends, the exit code is not zero, one message tells what, where and why."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import mpiexec, processes, wait_until

pytestmark = pytest.mark.launches

ENVIRON = os.environ | {"PYTHONPATH": python_path(HELPERS)}
COMMON = ("fast", "popsize=40", "num_interactions=None", "niters=50", "hidden_size=2", "seed=7")


def train_command(results, *updates):
    return ["-m", "mpi_pgpe.train", "-F", str(results), "with", *COMMON, *updates]


def status(results):
    return json.loads((results / "1" / "run.json").read_text())["status"]


@pytest.mark.parametrize(("ranks", "leaving", "when"), [(3, 0, "step"), (3, 1, "step"), (3, 0, "made"), (3, 2, "made")])
def test_environment_that_ends_the_program_has_failed(launch, tmp_path, ranks, leaving, when):
    updates = ("env_name=small_envs:LeavesOnRank", f"env_config.rank={leaving}", f"env_config.when={when}")
    done = launch(*train_command(tmp_path, *updates), ranks=ranks, env=ENVIRON)
    assert done.returncode not in (0, None)
    assert f"environment 'small_envs:LeavesOnRank' failed on rank {leaving}" in done.stderr
    assert "SystemExit: 0" in done.stderr
    assert status(tmp_path) == "FAILED"


@pytest.mark.parametrize(("ranks", "broken"), [(3, 0), (3, 1), (3, 2), (1, 0)])
def test_environment_that_raises_ends_all_ranks_with_one_message(launch, tmp_path, ranks, broken):
    updates = ("env_name=small_envs:RaisesOnRank", f"env_config.rank={broken}")
    done = launch(*train_command(tmp_path, *updates), ranks=ranks, env=ENVIRON)
    assert done.returncode not in (0, None)
    message = (
        rf"environment 'small_envs:RaisesOnRank' failed on rank {broken} "
        r"\(generation 1, direction \d+, sign [+-], environment seed \d+\): RuntimeError: the joint broke"
    )
    assert len(re.findall(message, done.stderr)) == 1, done.stderr
    assert "in step" in done.stderr  # where in the environment
    assert status(tmp_path) == "FAILED"
    wait_until(lambda: not processes(str(tmp_path)))


@pytest.mark.parametrize("native", [False, True])
def test_a_failure_ends_the_run_while_rank_0_is_in_a_long_step(launch, tmp_path, native):
    step = tmp_path / "step"
    updates = ("env_name=small_envs:LongStepOnRank0", f"env_config.file='{step}'", f"env_config.native={native}")
    done = launch(*train_command(tmp_path / "results", *updates), ranks=3, env=ENVIRON)
    assert done.returncode not in (0, None)
    assert step.read_text() == "begun"
    assert done.stderr.count("failed on rank 1 (generation 1, direction") == 1, done.stderr
    assert "RuntimeError: the joint broke" in done.stderr
    expected = "DEAD" if native else "FAILED"  # rank 0 cannot tell sacred
    wait_until(lambda: status(tmp_path / "results") == expected)
    wait_until(lambda: not processes(str(tmp_path)))


def test_message_has_the_seed_that_shows_the_failure_again(launch, tmp_path):
    done = launch(*train_command(tmp_path, "env_name=small_envs:Raises", "env_config.every=5"), ranks=2, env=ENVIRON)
    assert done.returncode not in (0, None)
    (seed,) = re.findall(r"environment seed (\d+)", done.stderr)
    assert int(seed) % 5 == 0


def test_failure_in_a_re_evaluation_says_so(launch, tmp_path):
    updates = ("env_name=small_envs:Slope", "re_eval_env_name=small_envs:Raises", "re_eval_interval=2")
    done = launch(*train_command(tmp_path, *updates), ranks=2, env=ENVIRON)
    assert done.returncode not in (0, None)
    assert re.search(
        r"'small_envs:Raises' failed on rank [01] \(re-evaluation after generation 2, episode", done.stderr
    )
    assert status(tmp_path) == "FAILED"


@pytest.fixture
def running(tmp_path):
    """Starts a training that steps for ever; returns (process, ids of its ranks) once all of them do."""
    started = []

    def start(ranks):
        (tmp_path / "pids").mkdir()
        where = ("env_name=small_envs:Slow", f"env_config.folder='{tmp_path}/pids'")
        command = [sys.executable, *train_command(tmp_path / "results", *where)]
        if ranks > 1:
            command = [mpiexec(), "-n", str(ranks), *command]
        process = subprocess.Popen(command, env=ENVIRON, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        started.append(process)
        wait_until(lambda: len(list((tmp_path / "pids").iterdir())) == ranks or process.poll() is not None)
        assert process.poll() is None, process.stderr.read()
        return process, [int(p.name) for p in (tmp_path / "pids").iterdir()]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ranks", [1, 3])
def test_ctrl_c_ends_a_run_as_interrupted(running, tmp_path, ranks):
    process, _ = running(ranks)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode != 0
    assert status(tmp_path / "results") == "INTERRUPTED"
    assert "Traceback (most recent call last)" not in stderr
    wait_until(lambda: not processes(str(tmp_path)))


@pytest.mark.parametrize("victim", [0, 1])
def test_killed_rank_ends_the_job(running, tmp_path, victim):
    process, pids = running(3)
    ranks = {pid: re.search(rb"PMI_RANK=(\d+)", Path(f"/proc/{pid}/environ").read_bytes()).group(1) for pid in pids}
    (pid,) = [pid for pid, rank in ranks.items() if int(rank) == victim]
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=300)
    assert process.returncode != 0
    wait_until(lambda: not processes(str(tmp_path)))

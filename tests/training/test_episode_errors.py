"""Episodes that raise or hang, and worlds that are not what the launcher promised: loud, and in time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from places import HELPERS, python_path
from programs import run_program

pytestmark = [pytest.mark.launches, pytest.mark.slow]

TRAIN = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast"]
SMALL = ["seed=3", "niters=3", "popsize=12", "num_interactions=None", "re_eval_interval=9", "re_eval_num_episodes=1"]


def train(folder: Path, *config: str, ranks: int = 3, **variables: str) -> Any:
    environment = os.environ | {"PYTHONPATH": python_path(HELPERS)} | variables
    return run_program(*TRAIN, *SMALL, *config, ranks=ranks, cwd=folder, env=environment)


def record(folder: Path, name: str) -> Any:
    return json.loads((folder / "results/1" / name).read_text())


def test_failed_episodes_get_the_worst_fitness_and_are_counted(tmp_path: Path) -> None:
    run = train(tmp_path, "env_name=odd_envs:Failing", "re_eval_env_name=odd_envs:Walk", "on_episode_error=worst")
    assert run.returncode == 0, run.stderr
    metrics = record(tmp_path, "metrics.json")
    failed = metrics["pop_failed"]["values"]
    assert sum(failed) > 0
    assert metrics["pop_nonfinite"]["values"] == failed
    assert "RuntimeError: the leg came off" in run.stdout
    assert "environment 'odd_envs:Failing' failed on rank" in run.stdout


def test_too_many_failed_episodes_end_the_run(tmp_path: Path) -> None:
    run = train(tmp_path, "env_name=odd_envs:Failing", "env_config.every=1", "on_episode_error=worst")
    assert run.returncode == 1
    assert "more than max_episode_errors=10" in run.stderr
    assert "the leg came off" in run.stderr
    assert record(tmp_path, "run.json")["status"] == "FAILED"


def test_an_episode_that_sleeps_too_long_has_failed(tmp_path: Path) -> None:
    hanging = ("env_name=odd_envs:Sleeping", "re_eval_env_name=odd_envs:Walk", "episode_timeout=0.3")
    run = train(tmp_path, *hanging, "on_episode_error=worst")
    assert run.returncode == 0, run.stderr
    assert sum(record(tmp_path, "metrics.json")["pop_failed"]["values"]) > 0
    run = train(tmp_path, *hanging)
    assert run.returncode == 1
    assert "EpisodeTimeout: the episode took longer than episode_timeout=0.3 seconds" in run.stderr
    assert "environment seed" in run.stderr


@pytest.mark.parametrize("rank", [0, 2])
def test_an_episode_stuck_in_native_code_ends_the_run_with_a_checkpoint(tmp_path: Path, rank: int) -> None:
    well = ("env_config.every=1", "checkpoint=c", "checkpoint_seconds=0")
    assert train(tmp_path, "env_name=odd_envs:Stuck", *well, "niters=2", STUCK_RANK="none").returncode == 0
    run = train(
        tmp_path,
        "env_name=odd_envs:Stuck",
        *well,
        "niters=5",
        "resume=auto",
        "episode_timeout=2",  # which no other episode takes, on a slow machine either
        STUCK_RANK=str(rank),
    )
    assert run.returncode != 0
    if rank == 0:  # nobody is left to speak but the watchdog
        assert "Timeout (" in run.stderr
        assert "odd_envs.py" in run.stderr
    else:
        assert "is stuck in native code" in run.stderr
        assert f"failed on rank {rank} (generation 3, direction" in run.stderr
    assert [path.name[-11:] for path in sorted((tmp_path / "c").glob("*.npz"))] == ["0000001.npz", "0000002.npz"]


def test_a_world_that_is_not_what_slurm_promised_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, ranks=1, SLURM_PROCID="0", SLURM_NTASKS="64")
    assert run.returncode == 1
    assert "expected 64 ranks" in run.stderr
    assert not (tmp_path / "results").exists()

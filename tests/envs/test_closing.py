"""Environments are closed whatever ends a program, and none of them keeps it alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import run_program

from mpi_pgpe import envs
from mpi_pgpe.envs import closing

SMALL = (
    "niters=2 popsize=8 popsize_max=None num_interactions=None num_hidden=0 re_eval_num_episodes=2 re_eval_interval=1"
)
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}


def command(env: str, *settings: str) -> list[str]:
    return [
        "-m",
        "mpi_pgpe.train",
        "-l",
        "ERROR",
        "-F",
        "r",
        "with",
        f"env_name=faulty_envs:{env}",
        "seed=1",
        *SMALL.split(),
        *settings,
    ]


def alive(folder: Path) -> list[str]:
    """The ids of the programs that were started there, and still run."""
    found = []
    for file in folder.iterdir():
        status = Path("/proc", file.name, "stat")
        if status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
            found.append(file.name)
    return found


@pytest.mark.launches
@pytest.mark.parametrize(
    ("fault", "settings", "code"),
    [
        ("", [], 0),
        ("raises", [], 1),
        ("raises", ["on_episode_error=worst"], 0),
        pytest.param("slow", ["niters=1000", "max_walltime=00:00:09"], 75, marks=pytest.mark.slow),
        ("", ["re_eval_env_name=CartPole-v1"], 2),
    ],
    ids=["completed", "failed", "remade", "max_walltime", "refused"],
)
def test_the_programs_of_environments_end_with_the_training(
    fault: str, settings: list[str], code: int, tmp_path: Path
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    config = f"env_config={{'folder': {str(folder)!r}, 'fault': {fault!r}}}"
    done = run_program(sys.executable, *command("Program", config, *settings), ranks=2, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == code, done.stderr
    assert list(folder.iterdir()), "no program was started"
    assert alive(folder) == []


@pytest.mark.slow
@pytest.mark.launches
def test_they_end_with_sigterm(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    config = f"env_config={{'folder': {str(folder)!r}, 'fault': 'slow'}}"
    mpiexec = ["mpiexec", "-n", "2", sys.executable, *command("Program", config, "niters=1000")]
    program = subprocess.Popen(mpiexec, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE)
    while len(list(folder.iterdir())) < 3:  # of both ranks, and re-evaluations have begun
        assert program.poll() is None
        time.sleep(0.1)
    program.send_signal(signal.SIGTERM)
    _, stderr = program.communicate()
    assert program.returncode == 75, stderr
    assert alive(folder) == []


@pytest.mark.slow
@pytest.mark.launches
def test_the_doctor_closes_what_it_made(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    arguments = [
        "-m",
        "mpi_pgpe.doctor",
        "--env",
        "faulty_envs:Program",
        "--env-config",
        f"{{'folder': {str(folder)!r}}}",
    ]
    run_program(sys.executable, *arguments, cwd=tmp_path, env=ENVIRONMENT)
    assert list(folder.iterdir()), "no program was started"
    assert alive(folder) == []


@pytest.mark.launches
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_thread_that_an_environment_leaves_keeps_no_rank_alive(ranks: int, tmp_path: Path) -> None:
    done = run_program(sys.executable, *command("Thread"), ranks=ranks, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "threads still run (camera" in done.stderr
    assert "this process ends all the same" in done.stderr


@pytest.mark.launches
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "RuntimeError: the door is stuck"),
        pytest.param("hangs", "it took longer than 5 seconds", marks=pytest.mark.slow),
    ],
)
def test_one_that_cannot_be_closed_is_told(how: str, said: str, tmp_path: Path) -> None:
    done = run_program(
        sys.executable, *command("CannotBeClosed", f"env_config.how={how}"), cwd=tmp_path, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    assert "environment 'faulty_envs:CannotBeClosed' could not be closed" in done.stderr
    assert said in done.stderr


@pytest.mark.serial
def test_an_environment_is_closed_once() -> None:
    closing.close_all()
    calls = []
    env = envs.make("faulty_envs:Plain", {})
    env._close = lambda: calls.append("closed")
    env.close(), env.close()
    assert calls == ["closed"]
    assert closing.close_all() == []
    env = envs.make("faulty_envs:Plain", {})
    env._close = lambda: calls.append("at the end")
    assert closing.close_all() == []
    assert calls == ["closed", "at the end"]


@pytest.mark.serial
def test_one_that_cannot_be_closed_is_made_anew_all_the_same() -> None:
    env = envs.make("faulty_envs:CannotBeClosed", {"how": "raises"})
    env.remake()
    assert env.reset(1).shape == (3,)

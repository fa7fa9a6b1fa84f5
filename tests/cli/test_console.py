"""What a run prints: a progress bar on a terminal, plain lines elsewhere, none of the bar in the record."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import mpiexec

from mpi_pgpe.cli.console import Console
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings

pytestmark = pytest.mark.launches

RUN = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast", "niters=2", "seed=1"]


def output_on_terminal(folder: Path, *command: str) -> str:
    """Everything that a command writes when its standard output and error are a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
        os.execve(command[0], command, os.environ | {"PYTHONPATH": python_path(HELPERS)})
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        chunks.append(chunk)
    assert os.waitpid(pid, 0)[1] == 0
    return b"".join(chunks).decode()


def test_a_bar_counts_the_episodes_on_a_terminal(tmp_path):
    output = output_on_terminal(tmp_path, sys.executable, *RUN)
    assert "episodes" in output
    assert "\rtraining:" in output
    assert "\rre-evaluation:" in output
    assert "generation=2 " in output
    assert "training:   0%" not in (tmp_path / "results/1/cout.txt").read_text()
    assert "generation=2 " in (tmp_path / "results/1/cout.txt").read_text()


SLOW = ["env_name=small_envs:RaisesOnRank", "env_config.rank=9", "num_interactions=None", "niters=1"]  # 0.01 s a step


def test_a_bar_counts_under_mpiexec_too(tmp_path):
    output = output_on_terminal(tmp_path, mpiexec(), "-n", "2", sys.executable, *RUN, *SLOW)
    assert "\rtraining:" in output
    assert "generation=1 " in output
    assert "\r" not in (tmp_path / "results/1/cout.txt").read_text()


def test_no_bar_where_the_errors_of_mpiexec_go_elsewhere(tmp_path):
    run = " ".join([mpiexec(), "-n", "2", sys.executable, *RUN, *SLOW])
    for elsewhere in ("2> errors", "2>&1 | cat"):
        output = output_on_terminal(tmp_path, "/bin/sh", "-c", f"{run} {elsewhere}")
        assert "generation=1 " in output
        assert "training:" not in output
    assert (tmp_path / "errors").read_text() == ""


def test_plain_lines_elsewhere(tmp_path, launch):
    done = launch(*RUN, cwd=tmp_path)
    assert done.returncode == 0
    assert "\r" not in done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("gen")] == [
        "generation=1",
        "generation=2",
    ]


@pytest.mark.parametrize(
    ("popsize_max", "num_interactions", "said"),
    [
        (250, 1000, "popsize_max=250 is no multiple of popsize=100: a generation has at most 2 rounds, which are 200 "),
        (199, 1000, "a generation has at most 1 round, which are 100 solutions"),
        (300, 1000, None),
        (None, 1000, None),
        (250, None, None),  # then a generation is one round in any case
    ],
)
def test_it_is_told_how_many_rounds_fit(capsys, popsize_max, num_interactions, said):
    values = {"seed": 1, "popsize": 100, "popsize_max": popsize_max, "num_interactions": num_interactions}
    Console(Settings.check(values)).start("training x", 1, Path("results/1"))
    printed = capsys.readouterr().out
    assert ("popsize_max" in printed) is (said is not None)
    assert said is None or said in printed


@pytest.mark.parametrize("value", [0, -1, 123456789012345, -1.7e308, 5e-324, float("nan"), -float("inf")])
def test_a_line_has_at_most_110_characters_whatever_the_numbers(capsys, value):
    console = Console(Settings.check({"seed": 1, "niters": 10**9}), bar=False)
    console.begin(0)
    metrics = dict.fromkeys(("pop_median", "pop_best", "timesteps", "stdev_mean"), value)
    metrics |= {"pop_timesteps": 10**15, "pop_elapsed": 1e-9, "elapsed": 1e10, "pop_nonfinite": 0, "popsize": 2}
    console.report(Report(10**9, metrics))
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("generation=1000000000 ")
    assert len(line) <= 110

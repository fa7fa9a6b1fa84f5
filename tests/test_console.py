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

pytestmark = pytest.mark.launches

RUN = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast", "niters=2", "seed=1"]


def output_on_terminal(folder: Path) -> str:
    """Everything that the run writes when its standard output and error are a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
        os.execv(sys.executable, [sys.executable, *RUN])
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
    output = output_on_terminal(tmp_path)
    assert "episodes" in output
    assert "\rtraining:" in output
    assert "\rre-evaluation:" in output
    assert "generation=2 " in output
    assert "training:   0%" not in (tmp_path / "results/1/cout.txt").read_text()
    assert "generation=2 " in (tmp_path / "results/1/cout.txt").read_text()


def test_plain_lines_elsewhere(tmp_path, launch):
    done = launch(*RUN, cwd=tmp_path)
    assert done.returncode == 0
    assert "\r" not in done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("gen")] == [
        "generation=1",
        "generation=2",
    ]

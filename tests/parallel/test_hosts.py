"""Which processes are ended with a rank whose host is lost; losing hosts is in tests/cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from mpi_pgpe.parallel.launcher import find_descendants, find_launchers

pytestmark = pytest.mark.launches

LAUNCHERS = """
import os, sys
from mpi_pgpe.parallel.launcher import find_launchers
names = (open(f"/proc/{pid}/comm").read().strip() for pid in find_launchers())
os.write(sys.stdout.fileno(), f"above: {' '.join(names)}\\n".encode())  # at once, so that lines stay whole
"""


def test_mpiexec_above_a_rank_is_found(launch):
    done = launch("-c", LAUNCHERS, ranks=2)
    assert done.stdout.splitlines() == ["above: mpiexec"] * 2


def test_a_job_script_names_its_launcher_for_its_own_host_alone(monkeypatch):
    monkeypatch.setenv("MPI_PGPE_LAUNCHER", f"{socket.gethostname()}:{os.getpid()}")
    assert os.getpid() in find_launchers()
    monkeypatch.setenv("MPI_PGPE_LAUNCHER", f"elsewhere:{os.getpid()}")
    assert os.getpid() not in find_launchers()


LOST = """
from mpi_pgpe.parallel import host_watch
host_watch._end("a host is lost")
"""


def test_what_the_launcher_started_ends_with_it(tmp_path):
    """An srun of mpiexec's that stays ends, by its number, a step of the job's next attempt."""
    mpiexec = tmp_path / "mpiexec"
    begun = f"until [ -e {tmp_path}/begun ]; do sleep 0.1; done"
    srun = f"sleep 600 & touch {tmp_path}/begun; wait"
    mpiexec.write_text(f"#!/bin/sh\nsh -c '{srun}' &\n{begun}\n{sys.executable} -c '{LOST}'\n")
    mpiexec.chmod(0o755)
    done = subprocess.run([mpiexec], capture_output=True, text=True, timeout=300, check=False)  # sleep has its pipes
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "a host is lost\n")


def test_a_process_may_have_any_name(tmp_path):
    """A name of more than 15 bytes is cut short by the system, in the middle of a letter, too."""
    program = tmp_path / ("x) 1 2" + 5 * "\N{GREEK SMALL LETTER OMEGA}")
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as process:
        try:
            assert process.pid in find_descendants(os.getpid())
        finally:
            process.kill()

"""Which processes are ended with a rank whose host is lost; losing hosts is in tests/cluster."""

from __future__ import annotations

import os
import socket

import pytest

from mpi_pgpe.hosts import launchers

pytestmark = pytest.mark.launches

LAUNCHERS = """
import os, sys
from mpi_pgpe.hosts import launchers
names = (open(f"/proc/{pid}/comm").read().strip() for pid in launchers())
os.write(sys.stdout.fileno(), f"above: {' '.join(names)}\\n".encode())  # at once, so that lines stay whole
"""


def test_mpiexec_above_a_rank_is_found(launch):
    done = launch("-c", LAUNCHERS, ranks=2)
    assert done.stdout.splitlines() == ["above: mpiexec"] * 2


def test_a_job_script_names_its_launcher_for_its_own_host_alone(monkeypatch):
    monkeypatch.setenv("MPI_PGPE_LAUNCHER", f"{socket.gethostname()}:{os.getpid()}")
    assert os.getpid() in launchers()
    monkeypatch.setenv("MPI_PGPE_LAUNCHER", f"elsewhere:{os.getpid()}")
    assert os.getpid() not in launchers()

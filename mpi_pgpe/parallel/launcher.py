"""What started this process: mpiexec or srun, and the rank that it promised."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

_LAUNCHERS = {"mpiexec", "mpiexec.hydra", "mpirun", "prterun", "orterun", "prte"}


# Where launchers tell a process its rank and the number of ranks, before MPI is started.
_RANK_VARIABLES = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
]


def find_launchers() -> list[int]:
    """Processes of this host that wait for the end of all ranks: mpiexec above this one, and MPI_PGPE_LAUNCHER.

    A job script sets MPI_PGPE_LAUNCHER to HOST:PID of its srun or mpiexec, because Slurm starts the ranks
    beside these, not below them.
    """
    found = []
    host, _, pid = os.environ.get("MPI_PGPE_LAUNCHER", "").rpartition(":")
    if pid.isdigit() and host == socket.gethostname():
        found.append(int(pid))
    above = os.getppid()
    while process := _process(above):
        name, parent = process
        if name in _LAUNCHERS:
            found.append(above)
        above = parent
    return found


def count_launcher_cores() -> int | None:
    """How many cores of this host the launcher of this process may use; None if it was started elsewhere."""
    for launcher in find_launchers():
        try:
            return len(os.sched_getaffinity(launcher))
        except OSError:  # it has ended
            continue
    return None


def find_descendants(ancestor: int) -> list[int]:
    """Processes of this host that a process has started, and those that they have started."""
    found = [ancestor]
    for above in found:
        found += _find_children(above)
    return found[1:]


def _find_children(parent: int) -> set[int]:
    """Processes that a process has started.

    The kernel lists them by thread: two small files, where /proc has one for each process of the host. It may leave one
    out while another ends, so it is asked twice.
    """
    found: set[int] = set()
    for _ in range(2):
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # the thread has ended
                found |= set(map(int, path.read_text().split()))
    return found


def _process(pid: int) -> tuple[str, int] | None:
    """The name of a process and its parent's number, or None where there is no such process."""
    try:
        name, rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").split(" (", 1)[1].rsplit(") ", 1)
    except OSError:
        return None
    return name, int(rest.split()[1])


def read_promised_rank(environ: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """(rank, size) that the launcher promised this process, or None without a known launcher."""
    for rank, size in _RANK_VARIABLES:
        if rank in environ and size in environ:
            return int(environ[rank]), int(environ[size])
    return None

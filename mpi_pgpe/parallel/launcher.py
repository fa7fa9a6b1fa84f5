"""What started this process: mpiexec or srun, and the rank that it promised."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
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


def find_own_launcher() -> Path | None:
    """The mpirun that belongs to the MPI library of this process, as far as it is beside it; None if it is not found.

    That is the library which is loaded, or else the one beside this Python.
    """
    libraries = [
        Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "/libmpi" in line
    ]
    for library in libraries[:1] or [Path(sys.prefix) / "lib/libmpi"]:
        # Debian has a name for each MPI, as several may be installed.
        names = ["mpirun.mpich" if "mpich" in library.name else "mpirun.openmpi", "mpirun", "mpiexec"]
        for folder in list(library.parents)[:4]:
            for name in names:
                if os.access(folder / "bin" / name, os.X_OK):
                    return folder / "bin" / name
    return None


def describe_own_launcher() -> str:
    """Where it is, in words."""
    found = find_own_launcher()
    return str(found) if found else "the mpirun that came with that library"


def is_foreign_to_mpich() -> bool:
    """Whether Open MPI's mpirun has started this process for PyPI's MPICH, which cannot start then.

    It ends the process in MPI_Init, with a message of its own ("unsupported PMI version PMIx") and no way to catch it.
    """
    folder = Path(sys.prefix) / "lib"
    of_mpich = (folder / "libmpi.so.12").exists() and not (folder / "libmpi.so.40").exists()
    return of_mpich and {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"} <= os.environ.keys() and "PMI_RANK" not in os.environ


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

"""Shared memory that MPI programs have left on this host when they were killed."""

from __future__ import annotations

import os
from pathlib import Path

PATTERNS = ("mpich_shm_*", "sm_segment.*")
"""Names of the files of MPICH and Open MPI."""

_SHARED_MEMORY = Path("/dev/shm")  # memory, until somebody removes the file


def find_abandoned(folder: Path = _SHARED_MEMORY) -> list[Path]:
    """Files of MPI's shared memory, of this user, that no process has mapped."""
    files = [path for name in PATTERNS for path in folder.glob(name) if _mine(path)]
    if not files:
        return []
    mapped: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text(errors="replace").splitlines()
        except OSError:  # of another user, or over
            continue
        mapped.update(line.split(maxsplit=5)[5] for line in lines if str(folder) in line)
    return [path for path in files if str(path) not in mapped]


def _mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except OSError:  # removed meanwhile
        return False

"""Shared memory that MPI programs leave on a host, and what doctor tells of it and of cores that ranks are bound to."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

from mpi_pgpe.parallel.leftovers import find_abandoned

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="looks at all processes of this host: once is enough")


def test_what_no_process_has_mapped_is_find_abandoned(tmp_path: Path) -> None:
    used, left, other = (tmp_path / name for name in ("mpich_shm_1_0", "mpich_shm_2_0", "another"))
    for path in (used, left, other):
        path.write_bytes(bytes(4096))
    with used.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert find_abandoned(tmp_path) == [left]
    assert sorted(find_abandoned(tmp_path)) == [used, left]


def test_there_is_no_folder(tmp_path: Path) -> None:
    assert find_abandoned(tmp_path / "none") == []


@pytest.mark.launches
def test_a_killed_program_leaves_a_file_and_a_running_one_does_not() -> None:
    """MPICH's; the file is found when its program was killed, not before."""
    if "MPICH" not in MPI.Get_library_version():
        pytest.skip("needs MPICH")
    code = (
        "from mpi4py import MPI; import time; MPI.COMM_WORLD.Barrier(); "
        "MPI.COMM_WORLD.rank or print('ready', flush=True); time.sleep(600)"
    )
    mpiexec = Path(sys.executable).parent / "mpiexec"
    if not mpiexec.exists():
        pytest.skip("needs the mpiexec beside python")
    shared = Path("/dev/shm")
    before = set(shared.glob("mpich_shm_*"))
    with subprocess.Popen([mpiexec, "-n", "2", sys.executable, "-c", code], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        ours = {path for path in set(shared.glob("mpich_shm_*")) - before if _mapped_below(path, program.pid)}
        running = ours & set(find_abandoned())
        program.kill()
    assert ours
    assert not running
    try:
        for path in ours:
            _until_nobody_has(path)
        assert ours <= set(find_abandoned())
    finally:
        for path in ours:
            path.unlink()


def _mapped_below(path: Path, ancestor: int) -> bool:
    from mpi_pgpe.parallel.launcher import find_descendants

    return any(str(path) in _maps(pid) for pid in find_descendants(ancestor))


def _until_nobody_has(path: Path) -> None:
    while any(str(path) in _maps(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")):
        os.sched_yield()


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        return ""

"""What `doctor` finds of an installation: packages, MPI and its launcher, ranks and cores, threads, Slurm, MongoDB."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mpi_pgpe import __version__
from mpi_pgpe.base.errors import UserError
from mpi_pgpe.base.packages import INSTALL_TORCH
from mpi_pgpe.cli.broken_packages import Broken
from mpi_pgpe.parallel import one_thread
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import count_launcher_cores, read_promised_rank
from mpi_pgpe.parallel.leftovers import PATTERNS, find_abandoned
from mpi_pgpe.runs.mongo.access import open_database

OK, NOTE, PROBLEM = "ok", "note", "problem"

_PACKAGES = {
    "torch": ("to_torch_module", INSTALL_TORCH),
    "matplotlib": ("learning curves", "pip install matplotlib"),
    "imageio_ffmpeg": ("films", "pip install imageio imageio-ffmpeg"),
    "pymongo": ("records in MongoDB", "pip install pymongo"),
}


@dataclass
class Finding:
    """What was found, how bad it is (ok, note, problem), and what to do."""

    topic: str
    status: str
    finding: str
    do: str = ""


def check_mpi(farm: Farm, promised: tuple[int, int] | None) -> Iterator[Finding]:
    """The MPI library, and whether the launcher belongs to it."""
    yield Finding("MPI", OK, f"{farm.world.library}, mpi4py {importlib.metadata.version('mpi4py')}")
    beside = Path(sys.executable).parent / "mpiexec"
    if promised is None:
        yield Finding(
            "launcher", NOTE, "none: this is one rank", f"for more: {_name_launcher(beside)} -n N python -m ..."
        )
    elif promised[1] != farm.world.size:
        yield Finding(
            "launcher",
            PROBLEM,
            f"it promised {promised[1]} ranks, but MPI sees a world of {farm.world.size}: each process would train "
            "alone; the launcher is that of another MPI than the library above",
            f"start with {_name_launcher(beside)}; under Slurm also srun --mpi=pmi2 (MPICH) or --mpi=pmix (Open MPI)",
        )
    else:
        yield Finding("launcher", OK, f"it promised {promised[1]} rank{'s' * (promised[1] > 1)}, and MPI sees them all")


def _name_launcher(beside: Path) -> str:
    return str(beside) if beside.exists() else "the mpiexec of that MPI"


def check_path(promised: tuple[int, int] | None) -> Iterator[Finding]:
    """Whether the mpiexec on PATH is the one that was installed with this Python."""
    found, beside = shutil.which("mpiexec"), Path(sys.executable).parent / "mpiexec"
    if found is None:
        yield Finding(
            "mpiexec",
            OK if beside.exists() else PROBLEM if promised is None else NOTE,
            f"not on PATH{f'; {beside} is there' if beside.exists() else ''}",
            f"call it by that name, or: source {beside.parent}/activate" if beside.exists() else "pip install mpich",
        )
    elif beside.exists() and not beside.samefile(found):
        yield Finding(
            "mpiexec",
            NOTE,
            f"PATH has {found}, this Python has {beside}",
            f"use the latter: source {beside.parent}/activate",
        )
    else:
        yield Finding("mpiexec", OK, found)


def check_ranks(hosts: int, most: float, farm: Farm, neighbours: int, cores: int) -> Iterator[Finding]:
    """How many ranks share how many cores."""
    here = f"here {neighbours} on {cores} cores"
    found = f"{farm.world.size} on {hosts} host{'s' * (hosts > 1)}; {here}"
    if (all_cores := count_launcher_cores() or cores) > cores:
        told = f"{here} of {all_cores}: the launcher binds them to these, and those of other runs that are started here"
        yield Finding("binding", NOTE, told, "several runs on one host: mpiexec --bind-to none (Open MPI)")
    if most > 1:
        do = "start at most as many ranks as cores; two on one core are no faster than one"
        yield Finding("ranks", NOTE, f"{found}; {most:.3g} ranks a core where it is worst", do)
    elif farm.world.size > 1 and hosts == 1 and neighbours < cores:
        yield Finding("ranks", NOTE, found, f"{cores - neighbours} cores are idle: mpirun -n {cores}")
    else:
        yield Finding("ranks", OK, found)


def check_shared_memory() -> Iterator[Finding]:
    """What programs that were killed have left in the host's memory."""
    if files := find_abandoned():
        size = sum(path.stat().st_size for path in files if path.exists()) / 2**20
        yield Finding(
            "shared memory",
            NOTE,
            f"programs that were killed have left {len(files)} files of MPI, {size:.0f} MB, in {files[0].parent}",
            f"while none of yours runs on this host: cd {files[0].parent} && rm {' '.join(PATTERNS)}",
        )


def check_threads(neighbours: int, cores: int) -> Iterator[Finding]:
    """Whether BLAS would start more threads than there are cores."""
    given = one_thread.GIVEN
    many = [int(value) for value in given.values() if value.isdigit()]
    described = ", ".join(f"{name}={value}" for name, value in given.items())
    if max(many, default=1) * neighbours > max(cores, neighbours):
        found = f"{described}: more threads than cores, with {neighbours} ranks on {cores} cores"
        yield Finding("threads", PROBLEM, found, "export OMP_NUM_THREADS=1, or unset it (the program then takes 1)")
    else:
        yield Finding("threads", OK, f"{described or 'no variable is set'}; one a rank unless they say otherwise")


def check_packages(all_broken: list[Broken]) -> Iterator[Finding]:
    """Versions, the optional packages that are missing, and the installed ones that cannot be imported."""
    versions = f"mpi_pgpe {__version__}, Python {platform.python_version()}, numpy {np.__version__}"
    yield Finding("versions", OK, versions)
    for module, (what, command) in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            yield Finding("packages", NOTE, f"no {module}, so no {what}", command)
    for broken in all_broken:
        yield Finding("packages", PROBLEM, broken.finding, broken.do)


def check_slurm(size: int) -> Iterator[Finding]:
    """Slurm, inside a job and outside."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        here = shutil.which("sbatch") is not None
        yield Finding("Slurm", OK, "sbatch is here; this is no job" if here else "not here")
        return
    tasks = _count_tasks(job)
    if tasks is not None and tasks != size:
        yield Finding(
            "Slurm", PROBLEM, f"job {job} has {tasks} tasks, but MPI sees {size}",
            f"start all of them: mpiexec -n {tasks}, or srun with the --mpi of your MPI (srun --mpi=list)",
        )  # fmt: skip
    else:
        yield Finding("Slurm", OK, f"job {job}, {'no number of' if tasks is None else tasks} tasks")


def _count_tasks(job: str) -> int | None:
    """The tasks of a job; None if nobody says."""
    found = os.environ.get("SLURM_NTASKS", "")
    if "SLURM_STEP_ID" in os.environ:  # then that number is of a step: mpiexec makes one of a helper on each host
        command = ["squeue", "--noheader", f"--jobs={job}", "--Format=NumTasks"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return None
    return int(found) if found.isdigit() else None


def read_promise() -> tuple[int, int] | None:
    """read_promised_rank(), but without a launcher in a job's script None, though Slurm calls that rank 0, too."""
    if "SLURM_JOB_ID" in os.environ and "SLURM_STEP_ID" not in os.environ:
        return read_promised_rank({name: value for name, value in os.environ.items() if name != "SLURM_PROCID"})
    return read_promised_rank()


def check_mongo(address: str) -> Iterator[Finding]:
    """Whether the database answers."""
    try:
        with open_database(address) as (found, shown):
            runs = found.runs.estimated_document_count()
    except UserError as error:
        yield Finding("MongoDB", PROBLEM, str(error), "start the server, or record into a folder with -F results")
    else:
        yield Finding("MongoDB", OK, f"{shown} answers; {runs} runs are recorded there")

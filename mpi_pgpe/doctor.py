"""Look at an installation: `python -m mpi_pgpe.doctor`, alone or under `mpirun -n N`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
import ast
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpi_pgpe import __version__
from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import FAILED, UserError, WrongInput, describe_error
from mpi_pgpe.base.text import format_json_line
from mpi_pgpe.cli import stop_requests
from mpi_pgpe.cli.broken_packages import broken_packages
from mpi_pgpe.cli.env_habits import habits
from mpi_pgpe.cli.episode_leaks import judge
from mpi_pgpe.envs.survey import examine_environment, examine_families
from mpi_pgpe.parallel import one_thread
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import count_launcher_cores, read_promised_rank
from mpi_pgpe.parallel.leftovers import PATTERNS, find_abandoned
from mpi_pgpe.parallel.world import World
from mpi_pgpe.runs.mongo.access import open_database
from mpi_pgpe.runs.reader import add_arguments

_STOP = 0  # command to the other ranks
OK, NOTE, PROBLEM = "ok", "note", "problem"

_PACKAGES = {
    "torch": ("to_torch_module", "pip install torch"),
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


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.doctor",
        description="Look at this installation: MPI and its launcher, ranks and cores, threads, environments, "
        "packages, Slurm, and MongoDB if asked. Start it as you would start a training (mpirun -n N, srun, sbatch). "
        "The exit code is 1 if there is a problem.",
    )
    p.add_argument(
        "--env", action="append", default=[], metavar="ID", help="an environment that has to work (repeatable)"
    )
    p.add_argument("--env-config", default="{}", metavar="DICT", help="its arguments, e.g. \"{'gravity': -5}\"")
    add_arguments(p, "also try this MongoDB")
    add_json(p)
    return p


def mpi(farm: Farm, promised: tuple[int, int] | None) -> Iterator[Finding]:
    """The MPI library, and whether the launcher belongs to it."""
    yield Finding("MPI", OK, f"{farm.world.library}, mpi4py {importlib.metadata.version('mpi4py')}")
    beside = Path(sys.executable).parent / "mpiexec"
    if promised is None:
        yield Finding("launcher", NOTE, "none: this is one rank", f"for more: {_launcher(beside)} -n N python -m ...")
    elif promised[1] != farm.world.size:
        yield Finding(
            "launcher",
            PROBLEM,
            f"it promised {promised[1]} ranks, but MPI sees a world of {farm.world.size}: each process would train "
            "alone; the launcher is that of another MPI than the library above",
            f"start with {_launcher(beside)}; under Slurm also srun --mpi=pmi2 (MPICH) or --mpi=pmix (Open MPI)",
        )
    else:
        yield Finding("launcher", OK, f"it promised {promised[1]} rank{'s' * (promised[1] > 1)}, and MPI sees them all")


def _launcher(beside: Path) -> str:
    return str(beside) if beside.exists() else "the mpiexec of that MPI"


def launchers(promised: tuple[int, int] | None) -> Iterator[Finding]:
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


def ranks(hosts: int, most: float, farm: Farm, neighbours: int, cores: int) -> Iterator[Finding]:
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


def shared_memory() -> Iterator[Finding]:
    """What programs that were killed have left in the host's memory."""
    if files := find_abandoned():
        size = sum(path.stat().st_size for path in files if path.exists()) / 2**20
        yield Finding(
            "shared memory",
            NOTE,
            f"programs that were killed have left {len(files)} files of MPI, {size:.0f} MB, in {files[0].parent}",
            f"while none of yours runs on this host: cd {files[0].parent} && rm {' '.join(PATTERNS)}",
        )


def threads(neighbours: int, cores: int) -> Iterator[Finding]:
    """Whether BLAS would start more threads than there are cores."""
    given = one_thread.GIVEN
    many = [int(value) for value in given.values() if value.isdigit()]
    described = ", ".join(f"{name}={value}" for name, value in given.items())
    if max(many, default=1) * neighbours > max(cores, neighbours):
        found = f"{described}: more threads than cores, with {neighbours} ranks on {cores} cores"
        yield Finding("threads", PROBLEM, found, "export OMP_NUM_THREADS=1, or unset it (the program then takes 1)")
    else:
        yield Finding("threads", OK, f"{described or 'no variable is set'}; one a rank unless they say otherwise")


def environments(wanted: list[str], config: dict[str, Any]) -> Iterator[Finding]:
    """Whether environments can be made and take a step; of those that are asked for, whether they can be trusted."""
    for found in examine_families():
        if found.works:
            yield Finding(found.family, OK, f"{found.env} works ({found.detail})")
        else:
            yield Finding(found.family, NOTE, found.detail.partition("; install it with: ")[0], found.install)
    for name in wanted:
        topic = f"environment {name}"
        found = examine_environment(topic, name, config)
        if not found.works:
            wrong = found.detail.partition("; install it with: ")[0]
            yield Finding(topic, PROBLEM, wrong, found.advice)
            continue
        yield _leaks(topic, name, config)
        yield from _habits(topic, name, config)


def _leaks(topic: str, name: str, config: dict[str, Any]) -> Finding:
    """Whether the same episodes come out the same wherever they are played."""
    try:
        verdict = judge(name, config)
    except Exception as error:  # whatever an environment may raise
        finding = f"takes a step, but breaks in whole episodes, or beside another one: {describe_error(error)}"
        return Finding(topic, PROBLEM, finding, "repair it; a training with env_name shows where it breaks")
    return Finding(topic, PROBLEM if verdict.leaks else NOTE if verdict.do else OK, verdict.finding, verdict.do)


def _habits(topic: str, name: str, config: dict[str, Any]) -> Iterator[Finding]:
    """What else its user should know; of one that breaks `_leaks` has told."""
    with contextlib.suppress(Exception):
        for habit in habits(name, config):
            yield Finding(topic, NOTE, habit.finding, habit.do)


def packages() -> Iterator[Finding]:
    """Optional packages."""
    versions = f"mpi_pgpe {__version__}, Python {platform.python_version()}, numpy {np.__version__}"
    yield Finding("versions", OK, versions)
    for module, (what, command) in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            yield Finding("packages", NOTE, f"no {module}, so no {what}", command)


def slurm(size: int) -> Iterator[Finding]:
    """Slurm, inside a job and outside."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        here = shutil.which("sbatch") is not None
        yield Finding("Slurm", OK, "sbatch is here; this is no job" if here else "not here")
        return
    tasks = _tasks(job)
    if tasks is not None and tasks != size:
        yield Finding(
            "Slurm", PROBLEM, f"job {job} has {tasks} tasks, but MPI sees {size}",
            f"start all of them: mpiexec -n {tasks}, or srun with the --mpi of your MPI (srun --mpi=list)",
        )  # fmt: skip
    else:
        yield Finding("Slurm", OK, f"job {job}, {'no number of' if tasks is None else tasks} tasks")


def _tasks(job: str) -> int | None:
    """The tasks of a job; None if nobody says."""
    found = os.environ.get("SLURM_NTASKS", "")
    if "SLURM_STEP_ID" in os.environ:  # then that number is of a step: mpiexec makes one of a helper on each host
        command = ["squeue", "--noheader", f"--jobs={job}", "--Format=NumTasks"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return None
    return int(found) if found.isdigit() else None


def _promise() -> tuple[int, int] | None:
    """read_promised_rank(), but without a launcher in a job's script None, though Slurm calls that rank 0, too."""
    if "SLURM_JOB_ID" in os.environ and "SLURM_STEP_ID" not in os.environ:
        return read_promised_rank({name: value for name, value in os.environ.items() if name != "SLURM_PROCID"})
    return read_promised_rank()


def mongo(address: str) -> Iterator[Finding]:
    """Whether the database answers."""
    try:
        with open_database(address) as (found, shown):
            runs = found.runs.estimated_document_count()
    except UserError as error:
        yield Finding("MongoDB", PROBLEM, str(error), "start the server, or record into a folder with -F results")
    else:
        yield Finding("MongoDB", OK, f"{shown} answers; {runs} runs are recorded there")


def lead(argv: list[str], promised: tuple[int, int] | None, about_mpi: list[Finding]) -> int:
    """Rank 0: print the findings; returns the exit code."""
    args = make_parser().parse_args(argv)
    try:
        config = dict(ast.literal_eval(args.env_config))
    except (ValueError, SyntaxError, TypeError):
        raise WrongInput(
            f"--env-config: expected a dictionary, such as {{'gravity': -5}}, got {args.env_config}"
        ) from None
    findings = [
        *packages(),
        *(Finding("packages", PROBLEM, *broken) for broken in broken_packages()),
        *about_mpi,
        *launchers(promised),
        *environments(args.env, config),
        *([] if args.mongo is None else mongo(args.mongo)),
    ]
    for finding in findings:
        print(f"{finding.status:8} {finding.topic}: {finding.finding}")
        if finding.do and finding.status != OK:
            print(f"{'':8}   to do: {finding.do}")
    fine = all(finding.status != PROBLEM for finding in findings)
    if args.json:
        print(format_json_line({"ok": fine, "findings": [asdict(finding) for finding in findings]}))
    return 0 if fine else 1


def main(arguments: list[str]) -> int:
    """All ranks: run the command; returns the exit code."""
    return entry.guard("doctor", lambda: _examine(arguments))


def _examine(arguments: list[str]) -> int:
    promised = _promise()
    try:
        farm = Farm(World())
    except UserError as error:  # no MPI can be loaded
        if promised is not None and promised[0] > 0:
            return FAILED
        finding, _, what_to_do = str(error).rpartition(": ")
        return lead(arguments, promised, [Finding("MPI", PROBLEM, finding, what_to_do)])
    number, neighbours, cores = farm.world.neighbours()
    hosts = int(farm.world.sum_on_root(np.array([number == 0], np.int64))[0])
    most = float(farm.world.maximum(np.array([neighbours / cores]))[0])
    if farm.world.rank > 0:
        stop_requests.ignore([signal.SIGINT])
        code = int(farm.world.hear()[1][0][0])
        farm.world.goodbye()
        return code
    if promised is not None and promised[0] > 0:  # the launcher's first process says it all
        return 1
    exit_code = 1
    about_mpi = [
        *mpi(farm, promised),
        *ranks(hosts, most, farm, neighbours, cores),
        *shared_memory(),
        *threads(neighbours, cores),
        *slurm(farm.world.size),
    ]
    try:
        exit_code = entry.guard("doctor", lambda: lead(arguments, promised, about_mpi))
    finally:
        farm.world.stop(_STOP, exit_code)
    return exit_code


if __name__ == "__main__":
    entry.run(main)

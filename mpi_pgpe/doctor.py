"""Look at an installation: `python -m mpi_pgpe.doctor`, alone or under `mpirun -n N`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
import ast
import contextlib
import re
import signal
from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import FAILED, WrongInput, describe_error
from mpi_pgpe.base.text import format_json_line
from mpi_pgpe.cli import installation, stop_requests
from mpi_pgpe.cli.broken_packages import Broken, find_broken_packages
from mpi_pgpe.cli.env_habits import find_habits
from mpi_pgpe.cli.episode_leaks import judge
from mpi_pgpe.cli.installation import NOTE, OK, PROBLEM, Finding
from mpi_pgpe.cli.wrapper_option import add_wrappers, read_wrappers
from mpi_pgpe.envs.survey import examine_environment, examine_families
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import NoMPI, World
from mpi_pgpe.runs.reader import add_arguments

_STOP = 0  # command to the other ranks


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
    add_wrappers(p, "none")
    add_arguments(p, "also try this MongoDB")
    add_json(p)
    return p


def check_environments(
    wanted: list[str], config: dict[str, Any], wrappers: list[Any], broken: list[Broken]
) -> Iterator[Finding]:
    """Whether environments can be made and take a step; of those that are asked for, whether they can be trusted.

    `broken` are the packages that cannot be imported: what needs one of them works when that is mended.
    """
    for found in examine_families():
        if found.works:
            yield Finding(found.family, OK, f"{found.env} works ({found.detail})")
        else:
            yield Finding(
                found.family, NOTE, _without_advice(found.detail), _mend(found.packages, broken) or found.install
            )
    for name in wanted:
        topic = f"environment {name}"
        found = examine_environment(topic, name, config, wrappers=wrappers)
        if not found.works:
            yield Finding(topic, PROBLEM, _without_advice(found.detail), _mend(found.packages, broken) or found.advice)
            continue
        yield _check_leaks(topic, name, config, wrappers)
        yield from _check_habits(topic, name, config, wrappers)


def _without_advice(refusal: str) -> str:
    return re.split("; install it with: |; `python -m mpi_pgpe.doctor`", refusal)[0]


def _mend(packages: Collection[str], all_broken: list[Broken]) -> str:
    """The commands that mend those of the packages that are broken."""
    return " && ".join(broken.do for broken in all_broken if broken.package in packages)


def _check_leaks(topic: str, name: str, config: dict[str, Any], wrappers: list[Any]) -> Finding:
    """Whether the same episodes come out the same wherever they are played."""
    try:
        verdict = judge(name, config, wrappers)
    except Exception as error:  # whatever an environment may raise
        finding = f"takes a step, but breaks in whole episodes, or beside another one: {describe_error(error)}"
        return Finding(topic, PROBLEM, finding, "repair it; a training with env_name shows where it breaks")
    return Finding(topic, PROBLEM if verdict.leaks else NOTE if verdict.do else OK, verdict.finding, verdict.do)


def _check_habits(topic: str, name: str, config: dict[str, Any], wrappers: list[Any]) -> Iterator[Finding]:
    """What else its user should know; of one that breaks `_check_leaks` has told."""
    with contextlib.suppress(Exception):
        for habit in find_habits(name, config, wrappers):
            yield Finding(topic, NOTE, habit.finding, habit.do)


def lead(argv: list[str], promised: tuple[int, int] | None, about_mpi: list[Finding]) -> int:
    """Rank 0: print the findings; returns the exit code."""
    args = make_parser().parse_args(argv)
    try:
        config = dict(ast.literal_eval(args.env_config))
    except (ValueError, SyntaxError, TypeError):
        raise WrongInput(
            f"--env-config: expected a dictionary, such as {{'gravity': -5}}, got {args.env_config}"
        ) from None
    broken = find_broken_packages()
    findings = [
        *installation.check_packages(broken),
        *about_mpi,
        *installation.check_path(promised),
        *check_environments(args.env, config, read_wrappers(args.wrappers) or [], broken),
        *([] if args.mongo is None else installation.check_mongo(args.mongo)),
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
    promised = installation.read_promise()
    try:
        farm = Farm(World())
    except NoMPI as error:
        if promised is not None and promised[0] > 0:
            return FAILED
        return lead(arguments, promised, [Finding("MPI", PROBLEM, error.finding, error.what_to_do)])
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
        *installation.check_mpi(farm, promised),
        *installation.check_ranks(hosts, most, farm, neighbours, cores),
        *installation.check_shared_memory(),
        *installation.check_threads(neighbours, cores),
        *installation.check_slurm(farm.world.size),
    ]
    try:
        exit_code = entry.guard("doctor", lambda: lead(arguments, promised, about_mpi))
    finally:
        farm.world.stop(_STOP, exit_code)
    return exit_code


if __name__ == "__main__":
    entry.run(main)

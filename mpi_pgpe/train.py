"""The command line: `python -m mpi_pgpe.train`, alone or under `mpirun -n N`.

Rank 0 runs the sacred experiment (cli/experiment.py); the other ranks serve it and load neither sacred nor
torch. Commands that only print, such as `print_config`, start no MPI.
"""

from __future__ import annotations

import mpi_pgpe.cli.quiet_start  # (Ctrl-C while the rest is loaded)
import mpi_pgpe.parallel.one_thread  # (before numpy)

# isort: split
import sys

from mpi_pgpe.cli import stop_requests
from mpi_pgpe.cli.entry import close_environments, entry_point, wrong_launcher
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import promised_rank
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.team import Team

_PRINT_ONLY = {
    "print_config",
    "print_named_configs",
    "print_dependencies",
    "save_config",
    "help",
    "-h",
    "--help",
}
# Options of sacred that are followed by a value.
_WITH_VALUE = {
    *("-b", "-C", "-c", "-F", "-i", "-l", "-m", "-n", "-P", "-S", "-s", "-t"),
    *("--beat-interval", "--capture", "--comment", "--file_storage", "--id", "--loglevel", "--mongo_db", "--name"),
    *("--priority", "--s3", "--sql", "--tiny_db"),
}


def main(argv: list[str]) -> int:
    """Run a command; returns the exit code."""
    if only_prints(argv):
        rank, _ = promised_rank() or (0, 1)
        return run_experiment(argv, None) if rank == 0 else 0
    team = Team(Farm(World()))
    mpi_pgpe.cli.quiet_start.over()
    if complaint := wrong_launcher(team.farm):
        if complaint[0] == 0:
            print(complaint[1], file=sys.stderr)
        return 1
    team.world.watch_hosts("its last checkpoint serves to resume")
    if team.world.rank > 0:
        stop_requests.ignore()
        exit_code = team.serve()
        close_environments()
        team.world.leave(exit_code)
        return exit_code
    exit_code = 1
    try:
        exit_code = run_experiment(argv, team)
    finally:
        close_environments()
        team.stop(exit_code)
    team.world.leave(exit_code)
    return exit_code


def only_prints(argv: list[str]) -> bool:
    """Whether the command needs no ranks."""
    before = [None, *argv]
    arguments = [a for option, a in zip(before, argv, strict=False) if option not in _WITH_VALUE][1:]
    return bool(_PRINT_ONLY & set(arguments[: arguments.index("with")] if "with" in arguments else arguments))


def run_experiment(argv: list[str], team: Team | None) -> int:
    """Rank 0: run sacred's command line; returns the exit code."""
    from mpi_pgpe.cli.experiment import Stopped, run  # here, because the other ranks never load sacred

    try:
        run(argv, team)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stop_requests.EXIT_CODE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    entry_point(main)

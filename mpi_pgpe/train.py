"""The command line: `python -m mpi_pgpe.train`, alone or under `mpirun -n N`.

Rank 0 runs the sacred experiment (experiment.py); the other ranks serve it and load neither sacred nor
torch. Commands that only print, such as `print_config`, start no MPI.
"""

from __future__ import annotations

import mpi_pgpe.one_thread  # noqa: F401  (before numpy)

# isort: split
import signal
import sys
import traceback

from mpi_pgpe.farm import Farm, promised_rank
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


def main(argv: list[str]) -> int:
    """Run a command; returns the exit code."""
    arguments = argv[1 : argv.index("with")] if "with" in argv else argv[1:]
    if _PRINT_ONLY & set(arguments):
        rank, _ = promised_rank() or (0, 1)
        return run_experiment(argv, None) if rank == 0 else 0
    team = Team(Farm())
    if team.farm.rank > 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 hears it, and tells the others
        return team.serve()
    exit_code = 1
    try:
        exit_code = run_experiment(argv, team)
    finally:
        team.stop(exit_code)
    return exit_code


def run_experiment(argv: list[str], team: Team | None) -> int:
    """Rank 0: run sacred's command line; returns the exit code."""
    from mpi_pgpe.experiment import run  # here, because the other ranks never load sacred

    try:
        run(argv, team)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def entry_point() -> None:
    """Run `main`; an exception that nobody foresaw ends all ranks, not this one alone."""
    try:
        exit_code = main(sys.argv)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is None or mpi.COMM_WORLD.Get_size() == 1:
            sys.exit(1)
        sys.stderr.flush()
        mpi.COMM_WORLD.Abort(1)
    sys.stdout.flush()
    sys.exit(exit_code)


if __name__ == "__main__":
    entry_point()

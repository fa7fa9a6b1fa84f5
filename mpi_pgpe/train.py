"""The training command: `python -m mpi_pgpe.train`, alone or under `mpirun -n N`.

Rank 0 runs the sacred experiment (cli/experiment.py); the other ranks serve it and load neither sacred nor
torch. Commands that only print, such as `print_config`, start no MPI.
"""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
from contextlib import nullcontext

from mpi_pgpe.base import output
from mpi_pgpe.cli import stop_requests
from mpi_pgpe.cli.end_watch import EndWatch
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import read_promised_rank
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


def main(arguments: list[str]) -> int:
    """All ranks: run the command; returns the exit code."""
    return entry.guard("train", lambda: _train(arguments))


def _train(arguments: list[str]) -> int:
    requests = stop_requests.StopRequests()
    if only_prints(arguments):
        rank, _ = read_promised_rank() or (0, 1)
        return run_experiment(arguments, None, requests, EndWatch()) if rank == 0 else 0
    rank, _ = read_promised_rank() or (0, 1)
    if rank == 0:
        from mpi_pgpe.cli import provenance  # which the other ranks do without

        provenance.look_at_repositories()
    watch = EndWatch()
    with watch.watching() if rank == 0 else nullcontext():
        return _with_all_ranks(arguments, requests, watch)


def _with_all_ranks(arguments: list[str], requests: stop_requests.StopRequests, watch: EndWatch) -> int:
    team = Team(Farm(World()))
    entry.check_launcher(team.farm)
    entry.begin_environments()
    team.world.watch_hosts("its last checkpoint serves to resume")
    if team.world.rank > 0:
        stop_requests.ignore()
        exit_code = team.serve()
        entry.close_environments()
        team.world.leave(exit_code)
        return exit_code
    exit_code = 1
    with requests.listening(), output.listening(output.tell_on_the_other):
        try:
            exit_code = entry.guard("train", lambda: run_experiment(arguments, team, requests, watch))
        finally:
            entry.close_environments()
            watch.over()  # the record is complete
            team.stop(exit_code)
        team.world.leave(exit_code)
        if requests.reason is not None:  # launchers and schedulers may ask more than once
            stop_requests.ignore_to_the_end()
    return exit_code


def only_prints(arguments: list[str]) -> bool:
    """Whether the command needs no ranks."""
    before = [None, *arguments]
    words = [word for option, word in zip(before, arguments, strict=False) if option not in _WITH_VALUE]
    return bool(_PRINT_ONLY & set(words[: words.index("with")] if "with" in words else words))


def run_experiment(
    arguments: list[str], team: Team | None, requests: stop_requests.StopRequests, watch: EndWatch
) -> int:
    """Rank 0: run sacred's command line; returns the exit code."""
    # Here, because the other ranks never load sacred.
    from mpi_pgpe.cli import sacred_patches

    sacred_patches.apply()
    from mpi_pgpe.cli.experiment import run

    return run(arguments, team, requests, watch)


if __name__ == "__main__":
    entry.run(main)

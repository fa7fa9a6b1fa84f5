"""Options of the command line in the place of sacred's own, and beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sacred import SETTINGS
from sacred.commandline_options import CLIOption, cli_option
from sacred.run import Run

from mpi_pgpe.cli.end_watch import EndWatch
from mpi_pgpe.runs.mongo.address import find_target
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.saved_agents import AGENTS, make_folder_name


@cli_option("-F", "--file_storage")
def file_storage_option(args: str, run: Run) -> None:
    """Record the run in a new folder of the folder VALUE."""


@cli_option("-m", "--mongo_db")
def mongo_db_option(args: str, run: Run) -> None:
    """Record the run in a MongoDB.

    VALUE is HOST:PORT:DATABASE, HOST:PORT, DATABASE or
    mongodb://USER:PASSWORD@HOST:PORT/DATABASE; the
    environment variable MPI_PGPE_MONGO may hold it as well.
    """


@cli_option("-T", "--profile", is_flag=True)
def profile_option(args: str, run: Run) -> None:
    """Tell physics from policy, and print where the time of each rank went."""


def replace_options(options: list[CLIOption]) -> list[CLIOption]:
    """sacred's options with ours in their places: its own would add observers that lose records."""
    ours = {option.long_flag: option for option in (file_storage_option, mongo_db_option)}
    return [*(ours.get(option.get_flag(), option) for option in options), profile_option]


_OTHER_OBSERVERS = ("--sql", "--s3", "--gcs", "--tiny_db")


def make_recorder(options: dict[str, Any], hidden: dict[str, str], watch: EndWatch) -> Recorder | None:
    """The observer that -F, -m and MPI_PGPE_MONGO ask for; the recorder captures the output itself.

    Raises:
        BadTarget: there can be no database of that address.
    """
    # Never by sacred's default way, which runs `tee`.
    SETTINGS.CAPTURE_MODE = "sys" if any(options.get(flag) for flag in _OTHER_OBSERVERS) else "no"
    capture = options["--capture"] != "no"
    folder, mongo = options["--file_storage"], options["--mongo_db"]
    target = find_target(hidden.get(mongo, mongo))
    if folder:
        return Recorder(Path(folder).absolute(), target, capture=capture, on_start=watch.records)
    if target:
        return Recorder(
            AGENTS.absolute(),
            target,
            lambda config: make_folder_name(config["function"] or config["env_name"]),
            capture,
            watch.records,
        )
    return None

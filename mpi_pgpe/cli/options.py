"""Options of the command line in the place of sacred's own, and beside them."""

from __future__ import annotations

from typing import Any

from mpi_pgpe.cli.sacred_patches import capture_by_sacred  # before anything of sacred's

# isort: split
from sacred.commandline_options import cli_option
from sacred.experiment import DEFAULT_COMMAND_LINE_OPTIONS
from sacred.run import Run

from mpi_pgpe.runs.mongo.address import BadTarget, chosen
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.saved_agents import AGENTS, agents_folder_name


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


# In the place of sacred's own, which would add observers that lose records (`run` adds the one that does not).
_OURS = {option.long_flag: option for option in (file_storage_option, mongo_db_option)}
DEFAULT_COMMAND_LINE_OPTIONS[:] = [_OURS.get(option.get_flag(), option) for option in DEFAULT_COMMAND_LINE_OPTIONS]
DEFAULT_COMMAND_LINE_OPTIONS.append(profile_option)
_OTHER_OBSERVERS = ("--sql", "--s3", "--gcs", "--tiny_db")


def make_recorder(options: dict[str, Any], hidden: dict[str, str]) -> Recorder | None:
    """The observer that -F, -m and MPI_PGPE_MONGO ask for; the recorder captures the output itself."""
    capture_by_sacred(any(options.get(flag) for flag in _OTHER_OBSERVERS))
    capture = options["--capture"] != "no"
    folder, mongo = options["--file_storage"], options["--mongo_db"]
    try:
        target = chosen(hidden.get(mongo, mongo))
    except BadTarget as error:
        raise SystemExit(str(error)) from None
    if folder:
        return Recorder(folder, target, capture=capture)
    if target:
        return Recorder(AGENTS, target, lambda config: agents_folder_name(config["env_name"]), capture)
    return None

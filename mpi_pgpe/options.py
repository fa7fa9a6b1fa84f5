"""Options of the command line beside sacred's own, and the refusal of values that cannot be."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import Any

from mpi_pgpe.records.tamed import capture_by_sacred  # before anything of sacred's

# isort: split
from sacred.arg_parser import get_config_updates
from sacred.commandline_options import cli_option
from sacred.experiment import DEFAULT_COMMAND_LINE_OPTIONS
from sacred.run import Run

from mpi_pgpe.records.claims import Refused
from mpi_pgpe.records.recorder import Recorder
from mpi_pgpe.records.target import BadTarget, chosen
from mpi_pgpe.saving import AGENTS, agents_folder_name
from mpi_pgpe.settings import BadSettings, Settings


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
    if options["--capture"] == "fd":
        raise SystemExit("-C fd: expected sys or no, because fd starts processes, which MPI does not allow")
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


def check_names(config: dict[str, Any]) -> None:
    """Refuse an entry that no configuration has."""
    known = [*Settings.__dataclass_fields__]
    for name in sorted(set(config) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `print_config` shows the known ones"
        raise Refused(f"unknown configuration entry {name!r}{hint}")


def check_results_folder(folder: str) -> None:
    """Refuse a folder after -F that cannot be written to, before anything is done."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        tempfile.TemporaryDirectory(dir=path).cleanup()  # permissions alone do not tell
    except OSError as error:
        raise SystemExit(
            f"-F {folder}: expected a folder to write results in, but {path} cannot be written to "
            f"({error.strerror}); choose another one or change its permissions"
        ) from None


def check_updates(updates: list[str]) -> None:
    """Refuse values that cannot be, before sacred computes other entries from them."""
    try:
        for name, value in get_config_updates(updates)[0].items():
            Settings.check_value(name, value)
    except BadSettings as error:
        raise SystemExit(f"Refused: {error}") from None

"""The command line of the experiment: parsed, and refused in one line, before anything is done, if it cannot be."""

from __future__ import annotations

import difflib
import logging
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from docopt import DocoptExit, DocoptLanguageError, docopt

from mpi_pgpe.base import checks
from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.cli import updates
from mpi_pgpe.cli.configs import NAMED
from mpi_pgpe.cli.updates import Updates
from mpi_pgpe.runs.saved_agents import AGENTS
from mpi_pgpe.training.settings import TABLE, BadSettings, check_value

_FORM = "expected [COMMAND] [with NAME ENTRY=VALUE FILE.json ...] [options]; `python -m mpi_pgpe.train help` shows them"
_LONGEST_BEAT = 1e6  # seconds
_LONGEST_ID = 200  # bytes: the name of a folder

_ELSEWHERE = {
    "num_cpus num_workers n_workers num_actors n_jobs num_processes n_envs": "the number of processes is that of "
    "MPI's ranks: mpirun -n {value} python -m mpi_pgpe.train ...",
    "policy network": "hidden=WIDTH,... sets the policy's layers; hidden=[] is a linear one",
    "timesteps total_timesteps": "niters is the number of generations, num_interactions the steps of one",
}
"""What to say of names, separated by spaces, that other libraries have for what is no setting here."""


def parse(argv: list[str], usage: str) -> dict[str, Any]:
    """What stands behind each option, COMMAND and UPDATE; `argv` without the program's name.

    Raises:
        WrongInput: it is not of the form that `usage` describes; the message says why, in one line.
    """
    try:
        return docopt(usage, argv, default_help=False)
    except DocoptExit as error:
        complaint = str(error).partition("\n")[0]
    except DocoptLanguageError as error:  # --p, which several options begin with
        complaint = str(error)
    if "unmatched" in complaint:
        flags = re.findall(r"(?<= )--?\w[\w-]*", usage)
        unmatched = re.findall(r"Option\((?:None|'(.*?)'), (?:None|'(.*?)')", complaint)
        complaint = "; ".join(
            f"{name} is given twice" if name in flags else f"unknown option {name}{_meant(name, flags)}"
            for name in (long or short for short, long in unmatched)
        )
    raise WrongInput(_FORM if complaint.startswith("Usage") or not complaint else f"{complaint}: {_FORM}")


def check(options: Mapping[str, Any], commands: Iterable[str]) -> Updates:
    """What stands behind `with`; refuses what cannot be, before sacred computes other entries from it.

    Raises:
        WrongInput: something cannot; the message says what was expected and what came.
    """
    command, commands = options["COMMAND"], [*commands]
    for flag, value in options.items():
        if value == "with" and not options["UPDATE"]:
            raise WrongInput(f"{flag}: expected a value before `with`")
    if command is not None and command not in commands:
        named = "=" in command or command in NAMED or os.path.isfile(command)
        hint = f"; did you mean `with {command}`?" if named else _near(command, commands)
        raise WrongInput(f"{command}: expected one of the commands {', '.join(commands)}{hint}")
    if options["help"]:
        return Updates()
    for flag, is_good, expected in _VALUES:
        value = options[flag]
        if value is not None and not is_good(value):
            raise WrongInput(f"{flag} {value}: expected {expected}")
    folder = None if options["--unobserved"] else options["--file_storage"]
    if folder is not None or command in (None, "main"):
        check_results_folder(folder)
    found = updates.parse(options["UPDATE"])
    check_updates(found)
    return found


def check_updates(found: Updates) -> None:
    """Refuse settings that cannot be, and read the files that are named.

    Raises:
        WrongInput: something cannot; the message says what was expected and what came.
    """
    _check_values(found.settings, "")
    for name in found.names:
        if os.path.isfile(name):
            found.files[name] = updates.read_file(name)
            _check_values(found.files[name], f"{name}: ")
        elif name not in NAMED:
            hint = f"; did you mean {name}=VALUE, without spaces?" if name in TABLE else _near(name, NAMED)
            raise WrongInput(f"with {name}: expected ENTRY=VALUE, a file or one of {', '.join(NAMED)}{hint}")


def _check_values(settings: Mapping[str, Any], where: str) -> None:
    """Refuse bad values; of unknown names `check_names` tells."""
    for name, value in settings.items():
        if name in TABLE:
            try:
                check_value(name, value)
            except BadSettings as error:
                raise WrongInput(f"{where}{error}") from None


def check_names(config: Mapping[str, Any]) -> None:
    """Refuse an entry that no configuration has.

    Raises:
        WrongInput: there is one; the nearest name is told.
    """
    meant = {alias: name for name, each in TABLE.items() for alias in each.aliases}
    elsewhere = {name: hint for names, hint in _ELSEWHERE.items() for name in names.split()}
    for name in sorted(set(config) - set(TABLE)):
        if name in elsewhere:
            hint = f"; {elsewhere[name].format(value=config[name])}"
        elif name in meant:
            hint = f"; did you mean {meant[name]} ({TABLE[meant[name]].comment})?"
        else:
            hint = _near(name, TABLE) or "; `print_config` shows the known ones"
        raise WrongInput(f"unknown configuration entry {name!r}{hint}")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _meant(option: str, flags: Iterable[str]) -> str:
    """A hint at the setting, prepared configuration or option that an unknown option may stand for."""
    name = option.lstrip("-")
    if name in TABLE:
        return f"; did you mean `with {name}=VALUE`?"
    if name in NAMED:
        return f"; did you mean `with {name}`?"
    return _near(option, [flag for flag in flags if flag.startswith("--") == option.startswith("--")])


def _is_number(text: str, least: float = -math.inf, most: float = math.inf) -> bool:
    try:
        return least <= float(text) <= most
    except ValueError:
        return False


def _is_level(text: str) -> bool:
    return text.isdecimal() or isinstance(logging.getLevelName(text), int)


_VALUES: list[tuple[str, Callable[[str], bool], str]] = [
    ("--id", lambda text: len(os.fsencode(text)) <= _LONGEST_ID, f"a number or a name of at most {_LONGEST_ID} bytes"),
    ("--beat-interval", lambda text: _is_number(text, 0, _LONGEST_BEAT), f"seconds, from 0 to {_LONGEST_BEAT:.0f}"),
    ("--priority", _is_number, "a number"),
    ("--loglevel", _is_level, "DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"),
    ("--capture", ["sys", "no"].__contains__, "sys or no (fd would start processes, which MPI does not allow)"),
]
"""(option, whether a value is good, what is expected)."""


def check_results_folder(folder: str | None) -> None:
    """Refuse a folder in which no run can be recorded; None: that of agents.

    Raises:
        WrongInput: it cannot be made or written to.
    """
    given = f"{AGENTS}, as -F is not given" if folder is None else f"-F {folder}"
    try:
        path = Path(checks.check_path("-F", str(folder or AGENTS))).absolute()
    except ValueError as error:
        raise WrongInput(str(error)) from None
    while not os.path.exists(path) and path != path.parent:
        path = path.parent
    try:
        with tempfile.TemporaryDirectory(dir=path) as made:  # permissions alone do not tell
            write_atomically(Path(made, "file"), bytes(4096))  # nor does a folder, on a full disk
    except OSError as error:
        raise WrongInput(
            f"{given}: expected a folder to write results in, but {path} cannot be written to "
            f"({error.strerror}); choose another one, make room or change its permissions"
        ) from None

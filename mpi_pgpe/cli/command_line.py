"""The command line of the experiment: parsed, and refused in one line, before anything is done, if it cannot be."""

from __future__ import annotations

import ast
import difflib
import logging
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import mpi_pgpe.cli.sacred_patches  # noqa: F401  (before anything of sacred's)

# isort: split
from docopt import DocoptExit, DocoptLanguageError, docopt
from sacred.arg_parser import get_config_updates
from sacred.config.config_files import load_config_file

from mpi_pgpe.cli.configs import NAMED
from mpi_pgpe.runs.errors import Refused
from mpi_pgpe.runs.saved_agents import AGENTS
from mpi_pgpe.training.setting_checks import check_keys
from mpi_pgpe.training.settings import TABLE, BadSettings, check_value

_FORM = "expected [COMMAND] [with NAME ENTRY=VALUE FILE.json ...] [options]; `python -m mpi_pgpe.train help` shows them"
_LONGEST_BEAT = 1e6  # seconds


def parse(argv: list[str], usage: str) -> dict[str, Any]:
    """What stands behind each option, COMMAND and UPDATE; `argv` without the program's name.

    Raises:
        SystemExit: it is not of the form that `usage` describes; the message says why, in one line.
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
    raise _refusal(_FORM if complaint.startswith("Usage") or not complaint else f"{complaint}: {_FORM}")


def check(options: Mapping[str, Any], commands: Iterable[str]) -> None:
    """Refuse what cannot be, before sacred computes other entries from it.

    Raises:
        SystemExit: something cannot; the message says what was expected and what came.
    """
    command, commands = options["COMMAND"], [*commands]
    for flag, value in options.items():
        if value == "with" and not options["UPDATE"]:
            raise _refusal(f"{flag}: expected a value before `with`")
    if command is not None and command not in commands:
        named = "=" in command or command in [*NAMED] or Path(command).is_file()
        hint = f"; did you mean `with {command}`?" if named else _near(command, commands)
        raise _refusal(f"{command}: expected one of the commands {', '.join(commands)}{hint}")
    if options["help"]:
        return
    for flag, is_good, expected in _VALUES:
        value = options[flag]
        if value is not None and not is_good(value):
            raise _refusal(f"{flag} {value}: expected {expected}")
    folder = None if options["--unobserved"] else options["--file_storage"]
    if folder is not None or command in (None, "main"):
        _check_results_folder(folder)
    _check_keys_as_written(options["UPDATE"])
    try:
        updates, files = get_config_updates(options["UPDATE"])
    except TypeError:  # a=1 a.b=2
        raise _refusal(
            f"with {' '.join(options['UPDATE'])}: an entry is set as a value, and as one that holds entries"
        ) from None
    for where, content in (("", updates), *((f"{name}: ", _named(name)) for name in files)):
        for name, value in content.items():
            try:
                if name in TABLE:
                    check_value(name, value)
            except BadSettings as error:
                raise _refusal(f"{where}{error}") from None


def _check_keys_as_written(updates: Iterable[str]) -> None:
    """Refuse keys of an environment's arguments that sacred would have changed when it hands them on."""
    for update in updates:
        path, equals, text = update.partition("=")
        name, *keys = path.strip().split(".")
        if name not in ("env_config", "re_eval_env_config") or not equals:
            continue
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError):  # TypeError: a list for a key
            value = None  # text, which has no keys
        for key in reversed(keys):
            value = {key: value}
        try:
            check_keys(name, value)
        except ValueError as error:
            raise _refusal(str(error)) from None


def check_names(config: Mapping[str, Any]) -> None:
    """Refuse an entry that no configuration has."""
    known = [*TABLE]
    for name in sorted(set(config) - set(known)):
        hint = _near(name, known) or "; `print_config` shows the known ones"
        raise Refused(f"unknown configuration entry {name!r}{hint}")


def _refusal(message: str) -> SystemExit:
    """Ends the program with one line."""
    return SystemExit(f"Refused: {message}")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _meant(option: str, flags: Iterable[str]) -> str:
    """A hint at the setting, prepared configuration or option that an unknown option may stand for."""
    name = option.lstrip("-")
    if name in TABLE:
        return f"; did you mean `with {name}=VALUE`?"
    if name in [*NAMED]:
        return f"; did you mean `with {name}`?"
    return _near(option, [flag for flag in flags if flag.startswith("--") == option.startswith("--")])


def _named(name: str) -> Mapping[str, Any]:
    """The entries of a file, or none for the name of a prepared configuration."""
    known = [*NAMED]
    if not Path(name).is_file():
        if name not in known:
            is_entry = name in TABLE
            hint = f"; did you mean {name}=VALUE, without spaces?" if is_entry else _near(name, known)
            raise _refusal(f"with {name}: expected ENTRY=VALUE, a file or one of {', '.join(known)}{hint}")
        return {}
    try:
        content = load_config_file(name)
    except Exception as error:  # what a damaged pickle raises may be anything
        raise _refusal(f"with {name}: expected a file with settings, which can be read ({one_line(error)})") from None
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise _refusal(f"with {name}: expected a file with entries and their values, got {content!r:.100}")
    return content


def one_line(error: Exception) -> str:
    """What an exception says."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split()) or type(error).__name__


def _is_number(text: str, least: float = -math.inf, most: float = math.inf) -> bool:
    try:
        return least <= float(text) <= most
    except ValueError:
        return False


def _is_level(text: str) -> bool:
    return text.isdecimal() or isinstance(logging.getLevelName(text), int)


_VALUES: list[tuple[str, Callable[[str], bool], str]] = [
    ("--beat-interval", lambda text: _is_number(text, 0, _LONGEST_BEAT), f"seconds, from 0 to {_LONGEST_BEAT:.0f}"),
    ("--priority", _is_number, "a number"),
    ("--loglevel", _is_level, "DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"),
    ("--capture", ["sys", "no"].__contains__, "sys or no (fd would start processes, which MPI does not allow)"),
]
"""(option, whether a value is good, what is expected)."""


def _check_results_folder(folder: str | None) -> None:
    given = f"{AGENTS}, as -F is not given" if folder is None else f"-F {folder}"
    path = Path(folder or AGENTS).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        tempfile.TemporaryDirectory(dir=path).cleanup()  # permissions alone do not tell
    except OSError as error:
        raise _refusal(
            f"{given}: expected a folder to write results in, but {path} cannot be written to "
            f"({error.strerror}); choose another one or change its permissions"
        ) from None

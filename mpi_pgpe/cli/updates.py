"""What stands behind `with`: settings one by one, names of prepared configurations, and files of settings.

Values are read as Python's literals, files as plain JSON or YAML of the safe kind: no file can have code run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.cli.configs import NAMED

_LARGEST_FILE = 2**20  # bytes


@dataclass
class Updates:
    """What stands behind `with`.

    Attributes:
        settings: those that are given one by one, nested where they are entries of an entry.
        names: of prepared configurations and files, in their order.
        files: what the files among them hold.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def list_settings(self) -> set[str]:
        """Names of the settings that are given one by one, in a file or by a prepared configuration."""
        prepared = [NAMED[name].entries for name in self.names if name in NAMED]
        return set(self.settings).union(*self.files.values(), *prepared)


def parse(words: Sequence[str]) -> Updates:
    """What the words behind `with` say.

    Raises:
        WrongInput: an entry is set as a value, and as one that holds entries.
    """
    found = Updates()
    for word in filter(None, words):
        path, is_entry, value = word.partition("=")
        if not is_entry:
            found.names.append(word)
            continue
        *above, name = path.strip().split(".")
        place = found.settings
        for key in above:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise WrongInput(f"with {' '.join(words)}: {key} is set as a value, and as one that holds entries")
        place[name] = _literal(value.strip())
    return found


def _literal(text: str) -> Any:
    """Python's literal, else the text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def read_file(path: str) -> dict[str, Any]:
    """The settings in a file of JSON or YAML.

    Raises:
        WrongInput: it is neither, too large, or holds something else than entries and their values.
    """
    form = Path(path).suffix.lower()
    if form not in (".json", ".yaml", ".yml"):
        is_pickle = form in (".pickle", ".pkl") or _first_byte(path) == b"\x80"
        why = "; a pickle is not read, because loading one runs what is in it" if is_pickle else ""
        raise WrongInput(f"with {path}: expected a file of settings that ends in .json, .yaml or .yml{why}")
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
        settings = json.loads(content, object_pairs_hook=_make_mapping) if form == ".json" else _yaml(content)
    except OSError as error:
        raise WrongInput(f"with {path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WrongInput(f"with {path}: expected a file with settings, which can be read ({reason})") from None
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        raise WrongInput(f"with {path}: expected a file with entries and their values, got {settings!r:.100}")
    return dict(settings)


def _make_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of them; an entry that stands there twice would vanish."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an entry stands there twice: {next(n for n in names if names.count(n) > 1)!r:.100}")
    return found


def _first_byte(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1)
    except OSError:
        return b""


def _yaml(content: bytes) -> Any:
    try:
        from mpi_pgpe.cli import plain_yaml  # here, because YAML is an option
    except ModuleNotFoundError:
        raise WrongInput("files of YAML need a package that is missing: pip install pyyaml") from None
    return plain_yaml.load(content)

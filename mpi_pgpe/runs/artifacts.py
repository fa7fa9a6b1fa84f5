"""The artifacts of a recorded run, from its folder or from a database: the agents that it saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpi_pgpe.base.regular_file import open_regular, read_regular
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.runs.mongo.access import open_database
from mpi_pgpe.runs.reader import RecordedRun
from mpi_pgpe.runs.run_folder import is_own_name

_LARGEST = 2**31  # bytes


@dataclass(frozen=True)
class Artifact:
    """A file that a run has saved.

    Attributes:
        name: of the file.
        version: another one when its content is another; texts and whole numbers.
        read: gives its content.
    """

    name: str
    version: list[Any]
    read: Callable[[], bytes]


def list_artifacts(runs: Iterable[RecordedRun], mongo: str | None, tell: Callable[[str], None]) -> list[Artifact]:
    """The artifacts of the records of one run; of several with one name the last.

    Args:
        runs: the records, oldest first.
        mongo: the database that they are in; None: each is in a folder.
        tell: what cannot be read.
    """
    found: dict[str, Artifact] = {}
    for run in runs:
        for entry in run.entry.get("artifacts") or []:
            name: Any = entry.get("name") if isinstance(entry, dict) else entry
            if not is_own_name(name):
                tell(make_printable(f"{run.name}: the artifact {name!r} is left out: expected the name of a file"))
            elif run.folder is None:
                found[name] = _in_database(name, entry["file_id"], mongo or "")
            else:
                try:
                    found[name] = _in_folder(run.folder / name)
                except OSError as error:
                    tell(make_printable(f"{run.folder / name}: is left out: {error.strerror}"))
    return list(found.values())


def _in_folder(path: Path) -> Artifact:
    with open_regular(path, _LARGEST, follow=False):
        status = path.lstat()
    version = [status.st_ino, status.st_size, status.st_mtime_ns]
    return Artifact(path.name, version, lambda: read_regular(path, _LARGEST, follow=False))


def _in_database(name: str, key: Any, mongo: str) -> Artifact:
    def read() -> bytes:
        from mpi_pgpe.runs.mongo.stored_file import read_stored_file  # here, because it needs pymongo

        with open_database(mongo) as (database, _):
            return read_stored_file(database, key, _LARGEST)

    return Artifact(name, [str(key)], read)

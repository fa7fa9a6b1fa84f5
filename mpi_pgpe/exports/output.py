"""A folder of exported runs, of one exporter at a time; beside them is noted what of each run has been exported."""

from __future__ import annotations

import contextlib
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import UserError, WrongInput
from mpi_pgpe.base.file_lock import FileLock, try_lock
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.exports.contents import Row, read_rows
from mpi_pgpe.runs.artifacts import Artifact
from mpi_pgpe.runs.reader import RecordedRun
from mpi_pgpe.runs.run_folder import CONFIG, RUN, read_json, write_json

STATE = ".mpi_pgpe"  # the folder of what is noted
_ROWS_AT_ONCE = 200
_LONGEST_NAME = 100


class Writer(ABC):
    """Exports one run; `update` may be called again and again, with what the record holds by then.

    Args:
        folder: of all exported runs.
        name: of this one in there.
        key: what tells this run from every other.
        state: what is noted of it; {} at first.
        store: writes `state` down.
    """

    needs: ClassVar[tuple[str, ...]]
    """The packages that have to be there."""
    shows: ClassVar[str]
    """What to do with the output; {folder} stands for it."""

    def __init__(self, folder: Path, name: str, key: str, state: dict[str, Any], store: Callable[[], None]) -> None:
        self.folder, self.name, self.key = folder, name, key
        self.state, self.store = state, store

    @property
    def done(self) -> dict[str, int]:
        """The last generation that is exported, by metric."""
        return self.state.setdefault("done", {})

    @abstractmethod
    def update(self, run: RecordedRun, artifacts: list[Artifact]) -> int:
        """Export what is not exported yet; returns the number of generations that were new in it."""

    def close(self) -> None:  # noqa: B027 (most have nothing open)
        """There is nothing more to come."""

    def new_rows(self, run: RecordedRun) -> Iterator[list[Row]]:
        """What is not exported yet, in batches; when the next one is asked for, this one has been exported."""
        batch: list[Row] = []
        for row in read_rows(run, dict(self.done)):
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def note(self, rows: Sequence[Row], **more: Any) -> None:
        """Write down that these rows are exported, and what else goes with it."""
        for row in rows:
            self.done.update(dict.fromkeys(row.values, row.generation))
        self.state.update(more)
        self.store()

    def new_artifacts(self, artifacts: list[Artifact]) -> Iterator[Artifact]:
        """Those that are not exported in this version; when the next one is asked for, this one has been."""
        noted = self.state.setdefault("artifacts", {})
        for artifact in artifacts:
            if noted.get(artifact.name) != artifact.version:
                yield artifact
                noted[artifact.name] = artifact.version
                self.store()

    def copy_artifacts(self, artifacts: list[Artifact], folder: Path) -> None:
        """Put them into a folder, for tools that take none."""
        for artifact in self.new_artifacts(artifacts):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / artifact.name, artifact.read())


class Output:
    """A folder with exported runs.

    Args:
        folder: made if it is missing.
        kind: the writer of the tool.

    Raises:
        UserError: it cannot be written to, holds or is in a record, or another program is exporting there.
    """

    def __init__(self, folder: Path, kind: type[Writer]) -> None:
        _check_apart_from_records(folder)
        self.folder, self._kind = folder, kind
        self._writers: dict[str, Writer] = {}
        self._notes = folder / STATE
        with self._telling():
            self._notes.mkdir(parents=True, exist_ok=True)
            lock = try_lock(self._notes / "lock")
        if lock is None:
            raise WrongInput(f"{folder}: expected a folder that no other program exports to; wait until that ends, or "
                             "choose another one with -o")  # fmt: skip
        self._lock: FileLock = lock

    def export(self, run: RecordedRun, artifacts: list[Artifact]) -> tuple[str, int]:
        """Bring a run up to date; returns (its name in the folder, generations that were new)."""
        key = make_key(run)
        with self._telling():
            writer = self._writers.get(key)
            if writer is None:
                writer = self._writers[key] = self._open(key, run)
            return writer.name, writer.update(run, artifacts)

    def close(self) -> None:
        """Finish all that is open."""
        try:
            with self._telling():
                for writer in self._writers.values():
                    writer.close()
        finally:
            self._lock.close()

    def _open(self, key: str, run: RecordedRun) -> Writer:
        path = self._notes / f"{key}.json"
        state = read_json(path)
        if not state:
            taken = {read_json(other).get("name") for other in self._notes.glob("*.json")}
            name = make_name(run)
            state |= {"name": f"{name}-{key[:8]}" if name in taken else name}
            write_json(path, state)
        return self._kind(self.folder, str(state["name"]), key, state, lambda: write_json(path, state))

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.folder
            raise UserError(f"{where}: cannot be written: {error.strerror or error}; make room, or choose another "
                            "folder with -o") from None  # fmt: skip


def _check_apart_from_records(folder: Path) -> None:
    """Refuse a folder in which what is exported would lie among the files of a record."""
    place = folder.absolute().resolve()
    around = [each for each in (place, *place.parents) if _is_record(each)]
    within = [each.parent for each in sorted(place.glob(f"*/{RUN}")) if _is_record(each.parent)]
    for record in (around + within)[:1]:
        raise WrongInput(f"{folder}: expected a folder apart from the records, got one that holds the recorded run "
                         f"{record}, or is in it; choose another one with -o")  # fmt: skip


def _is_record(folder: Path) -> bool:
    return (folder / RUN).is_file() and (folder / CONFIG).is_file()


def make_key(run: RecordedRun) -> str:
    """What tells a run from every other: from its uid or, where it has none, from its place."""
    uid = run.entry.get("uid")
    place = str(run.folder.absolute()) if run.folder is not None else f"{run.name}, {run.entry.get('start_time')}"
    return hashlib.sha256(f"{uid or place}".encode(errors="replace")).hexdigest()[:16]


def make_name(run: RecordedRun) -> str:
    """A name for the run that can be that of a folder."""
    name = run.folder.absolute().name if run.folder is not None else run.name.removeprefix("run ")
    return re.sub(r"[^\w.-]", "_", make_printable(name, _LONGEST_NAME)).lstrip(".") or "run"

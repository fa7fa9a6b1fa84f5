"""What sacred reports of a run, written to the run's folder; and the folder handed on to MongoDB."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sacred.dependencies import get_digest
from sacred.observers import FileStorageObserver
from sacred.serializer import flatten

from mpi_pgpe.base.atomic_file import replace_atomically
from mpi_pgpe.base.errors import UserError
from mpi_pgpe.base.file_lock import FileLock
from mpi_pgpe.base.text import format_path, make_printable
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.checksums import write_checksums
from mpi_pgpe.runs.growing_record import GrowingRecord
from mpi_pgpe.runs.mongo.address import Target
from mpi_pgpe.runs.mongo.delivery import Delivery
from mpi_pgpe.runs.mongo.earlier_runs import last_step
from mpi_pgpe.runs.output_capture import capture_output
from mpi_pgpe.runs.place import Place, find_place

_log = logging.getLogger(__name__)


class Recorder(FileStorageObserver):
    """The observer behind -F and -m.

    It differs from sacred's FileStorageObserver in this: no file is ever half written; metrics and output
    are on disk as soon as they are there, not at the next heartbeat; and there may be a database besides.

    Args:
        basedir: where the run's folder is made.
        target: the database that gets the run as well.
        folder_name: of the run's folder, given the configuration; None: its id.
        capture: whether the output belongs to the record.
        on_start: called with the run's folder when it is made.
    """

    dir: Any
    run_entry: Any

    def __init__(
        self,
        basedir: str | os.PathLike[str],
        target: Target | None = None,
        folder_name: Callable[[dict[str, Any]], str] | None = None,
        capture: bool = True,
        on_start: Callable[[Path], object] = lambda folder: None,
    ) -> None:
        super().__init__(Path(basedir))
        self._capture = capture
        self._on_start = on_start
        self._target = target
        self._folder_name = folder_name
        self._delivery: Delivery | None = None
        self._held: FileLock | None = None
        self._withdrawn = False

    @property
    def folder(self) -> Path:
        """The run's folder; there is one as soon as the run has started."""
        return Path(self.dir)

    # -- the start ----------------------------------------------------------------------------------------

    def queued_event(self, ex_info, command, host_info, queue_time, config, meta_info, _id):  # type: ignore
        """Record a run that somebody else is to start."""
        given = self._start("QUEUED", ex_info, command, host_info, queue_time, config, meta_info, _id)
        self.join()
        return given

    def started_event(self, ex_info, command, host_info, start_time, config, meta_info, _id):  # type: ignore
        """Make the run's folder, and its document in the database, under one id; returns the id."""
        return self._start("RUNNING", ex_info, command, host_info, start_time, config, meta_info, _id)

    def _start(
        self,
        status: str,
        ex_info: dict[str, Any],
        command: str,
        host_info: dict[str, Any],
        start_time: datetime.datetime,
        config: dict[str, Any],
        meta_info: dict[str, Any],
        wanted: str | None,
    ) -> int | str | None:
        entry = {
            "uid": uuid.uuid4().hex,
            "experiment": flatten(dict(ex_info) | {"sources": []}),
            "command": command,
            "host": flatten(dict(host_info)),
            "start_time": start_time.isoformat(),
            "meta": flatten(meta_info),
            "status": status,
            "resources": [],
            "artifacts": [],
            "heartbeat": None,
            "result": None,
        }
        place: Place | None = None
        try:
            place = find_place(
                Path(self.basedir), wanted, self._folder_name and self._folder_name(config), self._target, entry
            )
            self.dir = str(place.folder)
            entry["experiment"]["sources"] = self.save_sources(ex_info)
            self._open(entry, config)
            if self._target is not None:
                run_folder.write_json(self.folder / run_folder.MONGO, {"database": self._target.shown, "id": place.id})
        except OSError as error:  # a full disk, say: nothing of the run stays
            self._leave(place)
            raise UserError(
                f"{self.basedir}: the run cannot be recorded there: {error.strerror or error}; make room, or choose "
                "another folder"
            ) from None
        if self._target is not None:
            self._delivery = Delivery(self._target, self.folder, place.client, place.mirror, place.trouble)
            self._delivery.start()
            self._delivery.wake()
        return place.id

    def _leave(self, place: Place | None) -> None:
        """Undo what was begun."""
        self.run_entry = None
        if place is None:
            return
        if self._held is not None:
            self._held.close()
        shutil.rmtree(place.folder, ignore_errors=True)
        if place.mirror is not None:
            with contextlib.suppress(Exception):  # of a database; the disk is what is told
                place.mirror.remove()

    def _open(self, entry: dict[str, Any], config: dict[str, Any]) -> None:
        """Begin the folder's files."""
        self._held = run_folder.lock_folder(self.folder)
        self._record = GrowingRecord(self.folder)
        self.run_entry, self.config = entry, flatten(config)
        self.save_json(self.config, run_folder.CONFIG)
        self.save_json(self.run_entry, run_folder.RUN)
        self._on_start(self.folder)

    @property
    def database(self) -> str | None:
        """Where the run goes besides its folder."""
        return None if self._target is None else self._target.shown

    def last_step(self, run: Mapping[str, Any]) -> int | None:
        """The last step that the database has of an earlier run, by `id` and `database`; None if that is not known."""
        if self._target is None or run.get("database") != self.database:
            return None
        return last_step(run["id"], self._target)

    def continues(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """Have the database get what it lacks of the runs before this one, by their `folder`."""
        if self._target is not None and self._delivery is not None:
            for folder in (Path(run["folder"]) for run in runs):
                try:
                    database = run_folder.read_json(folder / run_folder.MONGO).get("database")
                except run_folder.DamagedRecord as error:
                    _log.warning("%s; what the database lacks of that run, it does not get", make_printable(str(error)))
                    continue
                if database == self.database:
                    self._delivery.add_folders([folder])

    # -- during the run -----------------------------------------------------------------------------------

    def record_metrics(self, step: int, metrics: dict[str, Any]) -> None:
        """Write the metrics of a step to disk, now."""
        if self.run_entry is None:  # -u
            return
        self._record.append_metrics(step, metrics)

    def log_metrics(self, metrics_by_name: Any, info: Any) -> None:
        """Nothing: at the heartbeat, when sacred calls this, `record_metrics` has written them already."""

    @contextlib.contextmanager
    def capture_output(self) -> Iterator[None]:
        """Write what is printed meanwhile to the run's output, line by line."""
        if self.run_entry is None or not self._capture:
            yield
            return
        with capture_output(self._record.append_output):
            yield

    def heartbeat_event(self, info: Any, captured_out: str, beat_time: datetime.datetime, result: Any) -> None:
        """Show that the run is alive."""
        with self._record.guard:
            self.run_entry["heartbeat"] = beat_time.isoformat()
            self.run_entry["result"] = result
            self._record.safely(lambda: self._beat(info))
        self._wake()

    def _beat(self, info: dict[str, Any]) -> None:
        self.run_entry["info"] = dict(info)
        self.save_json(self.run_entry, run_folder.RUN)
        self._record.update_metrics()

    def artifact_event(self, name: str, filename: str, metadata: Any = None, content_type: Any = None) -> None:
        """Copy a file into the run's folder, if it is not there, and hand it on."""
        with self._record.guard:
            self._record.safely(lambda: self._add_artifact(name, filename))
        self._wake()

    def _add_artifact(self, name: str, filename: str) -> None:
        place = self.folder / name
        if not (place.exists() and place.samefile(filename)):
            with replace_atomically(place) as aside:
                shutil.copyfile(filename, aside)
        if name not in self.run_entry["artifacts"]:
            self.run_entry["artifacts"].append(name)
            self.save_json(self.run_entry, run_folder.RUN)

    def resource_event(self, filename: str) -> None:
        """Keep a file that the run reads."""
        with self._record.guard:
            self._record.safely(lambda: FileStorageObserver.resource_event(self, filename))

    def _wake(self) -> None:
        if self._delivery is not None:
            self._delivery.wake()

    # -- the end ------------------------------------------------------------------------------------------

    def completed_event(self, stop_time: datetime.datetime, result: Any) -> None:
        """The run came to its end."""
        self._end("COMPLETED", stop_time, result=result)

    def interrupted_event(self, interrupt_time: datetime.datetime, status: str) -> None:
        """The run was told to stop."""
        self._end(status, interrupt_time)

    def failed_event(self, fail_time: datetime.datetime, fail_trace: list[str]) -> None:
        """The run failed."""
        self._end("FAILED", fail_time, fail_trace=fail_trace)

    def _end(self, status: str, stop_time: datetime.datetime, **entries: Any) -> None:
        if self.run_entry is None:  # it did not even start
            return
        with self._record.guard:
            self.run_entry |= {"status": status, "stop_time": stop_time.isoformat(), **entries}
            self._record.finish()
            self._record.safely(lambda: run_folder.end_info(self.folder, self.run_entry))
            self._record.safely(lambda: self.save_json(self.run_entry, run_folder.RUN))
            if not self._record.full:  # else it is not complete
                self._record.safely(lambda: write_checksums(self.folder))
            if self._record.full:
                _log.error("%s could not be written to at the end: the record of this run is not complete", self.dir)

    def withdraw(self) -> None:
        """The run is refused after all: at its end nothing stays of its record."""
        self._withdrawn = True
        if self._delivery is not None:
            self._delivery.withdraw()

    def join(self) -> None:
        """Wait for the delivery to MongoDB while there is hope, and say how to do the rest."""
        target, why = self._target, None
        failed = self.run_entry is not None and self.run_entry["status"] == "FAILED" and not self._withdrawn
        if target is not None and self._delivery is not None and (why := self._delivery.finish(hurry=failed)):
            print(
                f"MongoDB {target.shown} has not got all of this run ({why}). "
                f"The record is complete in {format_path(self.dir)}; to deliver the rest:\n"
                f"  python -m mpi_pgpe.sync {format_path(self.dir)}{target.option}",
                file=sys.stderr,
                flush=True,
            )
        if self._held is not None:
            self._held.close()
            if self._withdrawn and why is None:
                shutil.rmtree(self.folder, ignore_errors=True)

    # -- how FileStorageObserver writes -------------------------------------------------------------------

    def save_json(self, obj: Any, filename: str) -> None:
        """Replace a file of the run's folder by one rename."""
        run_folder.write_json(self.folder / filename, obj)

    def find_or_save(self, filename: str, store_dir: Path) -> Path:
        """Keep a source file or resource once for all runs; returns its place."""
        name, suffix = os.path.splitext(os.path.basename(filename))
        place = Path(store_dir) / f"{name}_{get_digest(filename)}{suffix}"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(place) as aside:
                shutil.copyfile(filename, aside)
        return place

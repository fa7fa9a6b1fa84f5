"""Recorded runs, read from sacred's results folders or from its MongoDB; a run that still goes on too."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.checksums import damage_lines
from mpi_pgpe.runs.dead_runs import DEAD, DEAD_IN_DATABASE, RUNNING, has_died, is_silent
from mpi_pgpe.runs.mongo.access import DIGESTS, open_database
from mpi_pgpe.runs.mongo.address import VARIABLE
from mpi_pgpe.runs.run_folder import (
    CONFIG,
    METRIC_LINES,
    METRICS,
    RUN,
    STEP,
    TIMESTAMP,
    DamagedRecord,
    read_metric_lines,
)

_TRIES, _SECONDS_BETWEEN = 5, 0.2  # to read a file that a run may be writing just now
_MOST_BITS = 1000  # of an integer among the metrics


class RunError(WrongInput):
    """What was named is not a recorded run, or holds nothing yet; the message says what to do."""


@dataclass
class RecordedRun:
    """A run.

    Attributes:
        name: what the user called it by: its folder, or its number in the database.
        config: its configuration.
        metrics: values by name and generation.
        status: as sacred has it: RUNNING, COMPLETED, INTERRUPTED, FAILED, ...; DEAD if it cannot be RUNNING any more
        times: when a generation was recorded, in seconds since 1970, as far as that can be read.
        entry: what else is recorded of it: `uid`, `host`, `artifacts`, ...
        folder: of the record; None in a database.
    """

    name: str
    config: dict[str, Any]
    metrics: dict[str, dict[int, float]]
    status: str
    times: dict[int, float] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def begun(self) -> bool:
        """Whether a generation is recorded."""
        return bool(self.metrics.get("generation"))

    @property
    def generations(self) -> list[int]:
        """The generations recorded so far."""
        return sorted(self.metrics["generation"])


def add_arguments(
    parser: argparse.ArgumentParser, what: str = "the runs are numbers in this MongoDB, not folders"
) -> None:
    """The option that names a database; `what` says what for."""
    parser.add_argument(
        "--mongo",
        nargs="?",
        const="",
        metavar="HOST:PORT:DB",
        help=f"{what}; without an address, that which {VARIABLE} names",
    )


def _tell(message: str) -> None:
    print(make_printable(message), file=sys.stderr, flush=True)


def read_runs(
    names: list[str], mongo: str | None, begun: bool = True, tell: Callable[[str], None] = _tell
) -> list[RecordedRun]:
    """The runs of these names: folders (of a run, or of several), or numbers in a database.

    Args:
        names: of the runs.
        mongo: the database, as --mongo names it; None: they are folders.
        begun: whether each of them has to have a complete generation.
        tell: what is wrong with a record that can be read all the same.

    Raises:
        RunError: one of them cannot be read, or has no complete generation yet.
    """
    if mongo is None:
        runs = [run for name in names for run in _read_folders(Path(name), tell)]
    else:
        runs = _read_documents(names, mongo, tell)
    for run in runs:
        if begun and not run.begun:
            later = "; try again later" if run.status == RUNNING else ""
            raise RunError(f"{run.name}: no generation is recorded (status {run.status}){later}")
    return runs


def _read_folders(folder: Path, tell: Callable[[str], None]) -> list[RecordedRun]:
    if os.path.lexists(folder / RUN):
        return [_read_folder(folder, tell)]
    found = folder.glob("[0-9]*") if os.path.isdir(folder) else []
    inner = []
    for path in sorted((path for path in found if path.name.isdecimal()), key=lambda path: int(path.name)):
        if path.is_symlink():
            tell(f"{path}: a link, which is not followed; name it by itself")
        elif os.path.lexists(path / RUN):
            inner.append(path)
    runs = [_read_folder(path, tell) for path in inner] or [_read_folder(folder, tell)]
    return [run for run in runs if run.begun] or runs


def _read_folder(folder: Path, tell: Callable[[str], None]) -> RecordedRun:
    if not os.path.lexists(folder / RUN):
        raise RunError(f"{folder}: expected the folder of a recorded run, such as results/1; it has no {RUN}")
    # The metrics last: those of a run that had ended before are complete.
    config, entry = _read_json(folder / CONFIG), _read_json(folder / RUN)
    status = str(entry.get("status"))
    with _report_damage(folder):
        if has_died(folder):
            status = DEAD
            why = "it crashed, was killed, or could not write its end"
            tell(f"{folder}: {RUN} says RUNNING, but its program is gone: {why}")
    metrics, times = read_metrics(folder)
    for line in damage_lines(folder, (CONFIG, RUN, METRIC_LINES)):
        tell(line)
    return RecordedRun(str(folder), config, metrics, status, times, entry, folder)


def read_metrics(folder: Path) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    """The metrics that a run's folder holds: values by name and generation; and the times by generation.

    Raises:
        RunError: a file cannot be read, or is damaged.
    """
    found = _read_lines(folder / METRIC_LINES)
    if not found[0] and os.path.lexists(folder / METRICS):  # all that plain sacred writes
        found = _read_columns(folder / METRICS)
    return found


def _read_lines(path: Path) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    """What a file of lines holds: every generation so far, after a kill -9 too."""
    metrics: dict[str, dict[int, float]] = {}
    times: dict[int, float] = {}
    with _report_damage(path):
        for line, _ in read_metric_lines(path):
            step, timestamp = line.pop(STEP), line.pop(TIMESTAMP)
            for name, value in line.items():
                metrics.setdefault(name, {}).update(_map_generations([step], [value]))
            times |= _map_times([step], [timestamp])
    return metrics, times


def _read_columns(path: Path) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    columns = _read_json(path, run_folder.LARGEST_METRICS)
    with _report_damage(path):
        return _take_columns({name: (m["steps"], m["values"], m.get("timestamps")) for name, m in columns.items()})


def _take_columns(columns: dict[str, tuple[Any, Any, Any]]) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    times: dict[int, float] = {}
    for steps, _, timestamps in columns.values():
        times = _map_times(steps, timestamps or ()) | times
    return {name: _map_generations(steps, values) for name, (steps, values, _) in columns.items()}, times


def _map_generations(steps: Iterable[int], values: Iterable[Any]) -> dict[int, float]:
    found: dict[int, float] = {}
    for step, value in zip(steps, values, strict=False):
        # Of longer integers floats cannot be made.
        if type(step) is not int or not isinstance(value, int | float | None) or _count_bits(value) > _MOST_BITS:
            raise ValueError(f"expected numbers, got {value!r:.100} in step {step!r:.100}")
        found[step] = float("nan") if value is None else value
    return found


def _map_times(steps: Iterable[int], timestamps: Iterable[Any]) -> dict[int, float]:
    """Seconds since 1970 by generation; what is no time is left out."""
    found = {}
    for step, value in zip(steps, timestamps, strict=False):
        with contextlib.suppress(ValueError, OverflowError):
            time = datetime.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(time, datetime):
                found[step] = (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    return found


def _count_bits(value: float | None) -> int:
    return value.bit_length() if isinstance(value, int) else 0


@contextlib.contextmanager
def _report_damage(path: Path | str) -> Iterator[None]:
    try:
        yield
    except DamagedRecord as error:
        raise RunError(str(error)) from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: is damaged: {type(error).__name__}: {error}") from None


def _read_json(path: Path, largest: int = run_folder.LARGEST_JSON) -> dict[str, Any]:
    """What a file of JSON holds, which may be replaced just now by a program that does not do so in one step."""
    for number in range(_TRIES):
        try:
            content = run_folder.read_json(path, largest)
        except DamagedRecord as error:
            if number == _TRIES - 1:
                raise RunError(str(error)) from None
        else:
            if not content and not path.exists():
                raise RunError(f"{path}: cannot be read: {os.strerror(errno.ENOENT)}")
            return content
        time.sleep(_SECONDS_BETWEEN)
    raise AssertionError


def _read_documents(names: list[str], address: str, tell: Callable[[str], None]) -> list[RecordedRun]:
    with open_database(address) as (found, _):
        return [_read_document(found, name, tell) for name in names]


def _read_document(found: Any, name: str, tell: Callable[[str], None]) -> RecordedRun:
    ids = [name, *([int(name)] if name.isdigit() else [])]  # sacred's option -i makes a number text
    run = found.runs.find_one({"_id": {"$in": ids}})
    if run is None:
        known = [str(r["_id"]) for r in found.runs.find({}, {"_id": 1}).sort("_id", -1).limit(10)]
        raise RunError(f"run {name} is not in the database {found.name}; the latest are: {', '.join(known) or 'none'}")
    with _report_damage(f"run {name}"):
        places = (found.metrics, found[DIGESTS])  # earlier versions had all in the first
        documents = [metric for place in places for metric in place.find({"run_id": run["_id"]})]
        metrics, times = _take_columns({m["name"]: (m["steps"], m["values"], m.get("timestamps")) for m in documents})
        status = DEAD if run.get("status") == DEAD_IN_DATABASE else str(run.get("status"))
        if status == RUNNING and is_silent(run, f"run {name}"):
            status = DEAD
            tell(f"run {name}: the database says RUNNING, but its last sign of life is old; its program may be gone")
        return RecordedRun(f"run {name}", dict(run.pop("config")), metrics, status, times, run)

"""Recorded runs, read from sacred's results folders or from its MongoDB; a run that still goes on too."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.checksums import tell_damage
from mpi_pgpe.runs.dead_runs import DEAD, RUNNING, has_died, is_silent
from mpi_pgpe.runs.mongo.access import open_database
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
    """

    name: str
    config: dict[str, Any]
    metrics: dict[str, dict[int, float]]
    status: str

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


def read_runs(names: list[str], mongo: str | None) -> list[RecordedRun]:
    """The runs of these names: folders (of a run, or of several), or numbers in a database.

    Raises:
        RunError: one of them cannot be read, or has no complete generation yet.
    """
    if mongo is None:
        runs = [run for name in names for run in _read_folders(Path(name))]
    else:
        runs = _read_documents(names, mongo)
    for run in runs:
        if not run.begun:
            later = "; try again later" if run.status == RUNNING else ""
            raise RunError(f"{run.name}: no generation is recorded (status {run.status}){later}")
    return runs


def _read_folders(folder: Path) -> list[RecordedRun]:
    if os.path.lexists(folder / RUN):
        return [_read_folder(folder)]
    found = folder.glob("[0-9]*") if os.path.isdir(folder) else []
    inner = []
    for path in sorted((path for path in found if path.name.isdecimal()), key=lambda path: int(path.name)):
        if path.is_symlink():
            _tell(f"{path}: a link, which is not followed; name it by itself")
        elif os.path.lexists(path / RUN):
            inner.append(path)
    runs = [_read_folder(path) for path in inner] or [_read_folder(folder)]
    return [run for run in runs if run.begun] or runs


def _read_folder(folder: Path) -> RecordedRun:
    if not os.path.lexists(folder / RUN):
        raise RunError(f"{folder}: expected the folder of a recorded run, such as results/1; it has no {RUN}")
    metrics = read_metrics(folder)
    run = RecordedRun(str(folder), _read_json(folder / CONFIG), metrics, str(_read_json(folder / RUN).get("status")))
    tell_damage(folder, (CONFIG, RUN, METRIC_LINES))
    with _report_damage(folder):
        if has_died(folder):
            run.status = DEAD
            why = "it crashed, was killed, or could not write its end"
            _tell(f"{folder}: {RUN} says RUNNING, but its program is gone: {why}")
    return run


def _tell(message: str) -> None:
    print(make_printable(message), file=sys.stderr, flush=True)


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """The metrics that a run's folder holds: values by name and generation.

    Raises:
        RunError: a file cannot be read, or is damaged.
    """
    metrics = _read_lines(folder / METRIC_LINES)
    if not metrics and os.path.lexists(folder / METRICS):  # all that plain sacred writes
        metrics = _read_columns(folder / METRICS)
    return metrics


def _read_lines(path: Path) -> dict[str, dict[int, float]]:
    """The metrics in a file of lines: of every generation so far, after a kill -9 too."""
    metrics: dict[str, dict[int, float]] = {}
    with _report_damage(path):
        for line, _ in read_metric_lines(path):
            step = line.pop(STEP)
            del line[TIMESTAMP]
            for name, value in line.items():
                metrics.setdefault(name, {}).update(_map_generations([step], [value]))
    return metrics


def _read_columns(path: Path) -> dict[str, dict[int, float]]:
    columns = _read_json(path, run_folder.LARGEST_METRICS)
    with _report_damage(path):
        return {name: _map_generations(m["steps"], m["values"]) for name, m in columns.items()}


def _map_generations(steps: Iterable[int], values: Iterable[Any]) -> dict[int, float]:
    found: dict[int, float] = {}
    for step, value in zip(steps, values, strict=False):
        # Of longer integers floats cannot be made.
        if type(step) is not int or not isinstance(value, int | float | None) or _count_bits(value) > _MOST_BITS:
            raise ValueError(f"expected numbers, got {value!r:.100} in step {step!r:.100}")
        found[step] = float("nan") if value is None else value
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


def _read_documents(names: list[str], address: str) -> list[RecordedRun]:
    with open_database(address) as (found, _):
        return [_read_document(found, name) for name in names]


def _read_document(found: Any, name: str) -> RecordedRun:
    ids = [name, *([int(name)] if name.isdigit() else [])]  # sacred's option -i makes a number text
    run = found.runs.find_one({"_id": {"$in": ids}})
    if run is None:
        known = [str(r["_id"]) for r in found.runs.find({}, {"_id": 1}).sort("_id", -1).limit(10)]
        raise RunError(f"run {name} is not in the database {found.name}; the latest are: {', '.join(known) or 'none'}")
    with _report_damage(f"run {name}"):
        documents = found.metrics.find({"run_id": run["_id"]})
        metrics = {m["name"]: _map_generations(m["steps"], m["values"]) for m in documents}
        status = str(run.get("status"))
        if status == RUNNING and is_silent(run, f"run {name}"):
            status = DEAD
            _tell(f"run {name}: the database says RUNNING, but its last sign of life is old; its program may be gone")
        return RecordedRun(f"run {name}", dict(run["config"]), metrics, status)

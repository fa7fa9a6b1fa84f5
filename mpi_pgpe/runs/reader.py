"""Recorded runs, read from sacred's results folders or from its MongoDB; a run that still goes on too."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.runs.mongo.access import open_database
from mpi_pgpe.runs.mongo.address import VARIABLE
from mpi_pgpe.runs.run_folder import CONFIG, METRIC_LINES, METRICS, RUN, STEP, TIMESTAMP, read_metric_lines

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
        status: as sacred has it: RUNNING, COMPLETED, INTERRUPTED, FAILED, ...
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
            raise RunError(f"{run.name}: no generation is recorded yet (status {run.status}); try again later")
    return runs


def _read_folders(folder: Path) -> list[RecordedRun]:
    inner = sorted(
        (int(path.parent.name), path.parent) for path in folder.glob(f"[0-9]*/{RUN}") if path.parent.name.isdigit()
    )
    if (folder / RUN).exists() or not inner:
        return [_read_folder(folder)]
    runs = [_read_folder(path) for _, path in inner]
    return [run for run in runs if run.begun] or runs


def _read_folder(folder: Path) -> RecordedRun:
    if not (folder / RUN).exists():
        raise RunError(f"{folder}: expected the folder of a recorded run, such as results/1; it has no {RUN}")
    return RecordedRun(
        str(folder), _read_json(folder / CONFIG), read_metrics(folder), str(_read_json(folder / RUN).get("status"))
    )


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """The metrics that a run's folder holds: values by name and generation.

    Raises:
        RunError: a file cannot be read, or is damaged.
    """
    metrics = _read_lines(folder / METRIC_LINES)
    if not metrics and (folder / METRICS).exists():  # all that plain sacred writes
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
    columns = _read_json(path)
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
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: is damaged: {type(error).__name__}: {error}") from None


def _read_json(path: Path) -> dict[str, Any]:
    for number in range(_TRIES):
        try:
            content = json.loads(path.read_text())
            if isinstance(content, dict):
                return content
            problem: Exception = ValueError(f"expected an object of JSON, got {type(content).__name__}")
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:  # of bytes that are no text, or text that is no JSON
            problem = error
        if number < _TRIES - 1:
            time.sleep(_SECONDS_BETWEEN)
    raise RunError(f"{path}: is damaged: {problem}")


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
        return RecordedRun(f"run {name}", dict(run["config"]), metrics, str(run.get("status")))

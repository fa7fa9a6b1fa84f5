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

from mpi_pgpe.base.errors import UserError, WrongInput
from mpi_pgpe.runs.mongo.address import (
    FORMS,
    VARIABLE,
    Unreachable,
    connect,
    describe_refusal,
    find_target,
    parse_target,
)
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
    runs = [run for name in names for run in _in_folder(Path(name))] if mongo is None else _in_mongo(names, mongo)
    for run in runs:
        if not run.begun:
            raise RunError(f"{run.name}: no generation is recorded yet (status {run.status}); try again later")
    return runs


def _in_folder(folder: Path) -> list[RecordedRun]:
    inner = sorted(
        (int(path.parent.name), path.parent) for path in folder.glob(f"[0-9]*/{RUN}") if path.parent.name.isdigit()
    )
    if (folder / RUN).exists() or not inner:
        return [_folder(folder)]
    runs = [_folder(path) for _, path in inner]
    return [run for run in runs if run.begun] or runs


def _folder(folder: Path) -> RecordedRun:
    if not (folder / RUN).exists():
        raise RunError(f"{folder}: expected the folder of a recorded run, such as results/1; it has no {RUN}")
    metrics = _lines(folder / METRIC_LINES)
    if not metrics and (folder / METRICS).exists():  # all that plain sacred writes
        metrics = _columns(folder / METRICS)
    return RecordedRun(str(folder), _json(folder / CONFIG), metrics, str(_json(folder / RUN).get("status")))


def _lines(path: Path) -> dict[str, dict[int, float]]:
    """The metrics in a file of lines: of every generation so far, after a kill -9 too."""
    metrics: dict[str, dict[int, float]] = {}
    with _reading(path):
        for line, _ in read_metric_lines(path):
            step = line.pop(STEP)
            del line[TIMESTAMP]
            for name, value in line.items():
                metrics.setdefault(name, {}).update(_by_generation([step], [value]))
    return metrics


def _columns(path: Path) -> dict[str, dict[int, float]]:
    columns = _json(path)
    with _reading(path):
        return {name: _by_generation(m["steps"], m["values"]) for name, m in columns.items()}


def _by_generation(steps: Iterable[int], values: Iterable[Any]) -> dict[int, float]:
    found: dict[int, float] = {}
    for step, value in zip(steps, values, strict=False):
        # Of longer integers floats cannot be made.
        if type(step) is not int or not isinstance(value, int | float | None) or _bits(value) > _MOST_BITS:
            raise ValueError(f"expected numbers, got {value!r:.100} in step {step!r:.100}")
        found[step] = float("nan") if value is None else value
    return found


def _bits(value: float | None) -> int:
    return value.bit_length() if isinstance(value, int) else 0


@contextlib.contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: is damaged: {type(error).__name__}: {error}") from None


def _json(path: Path) -> dict[str, Any]:
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


def _in_mongo(names: list[str], address: str) -> list[RecordedRun]:
    with database(address) as (found, _):
        return [_document(found, name) for name in names]


@contextlib.contextmanager
def database(address: str) -> Iterator[tuple[Any, str]]:
    """(a database of a server that answers, what to call it), for the time of the block.

    Args:
        address: what -m of a training may say; without any, what MPI_PGPE_MONGO says.

    Raises:
        RunError: it is no address, pymongo is missing, or the server does not answer or refuses, in the block too.
    """
    target = parse_target(address, "--mongo") if address else find_target(None)
    if target is None:
        raise RunError(f"--mongo: expected {FORMS}, or one of these in the environment variable {VARIABLE}")
    try:
        client: Any = connect(target)
    except Unreachable as error:
        raise UserError(
            f"no MongoDB answers at {target.shown}: {error}; is it running, and reachable from this machine?"
        ) from None
    import pymongo

    try:
        yield client[target.database], target.shown
    except pymongo.errors.PyMongoError as error:
        raise UserError(f"MongoDB {target.shown} refuses: {target.scrub(describe_refusal(error))}") from None
    finally:
        client.close()


def _document(found: Any, name: str) -> RecordedRun:
    ids = [name, *([int(name)] if name.isdigit() else [])]  # sacred's option -i makes a number text
    run = found.runs.find_one({"_id": {"$in": ids}})
    if run is None:
        known = [str(r["_id"]) for r in found.runs.find({}, {"_id": 1}).sort("_id", -1).limit(10)]
        raise RunError(f"run {name} is not in the database {found.name}; the latest are: {', '.join(known) or 'none'}")
    with _reading(f"run {name}"):
        documents = found.metrics.find({"run_id": run["_id"]})
        metrics = {m["name"]: _by_generation(m["steps"], m["values"]) for m in documents}
        return RecordedRun(f"run {name}", dict(run["config"]), metrics, str(run.get("status")))

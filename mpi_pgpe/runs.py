"""Recorded runs, read from sacred's results folders or from its MongoDB; a run that still goes on too."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRIES, _SECONDS_BETWEEN = 5, 0.2  # to read a file that a run may be writing just now
_SECONDS_FOR_SERVER = 5.0


class RunError(ValueError):
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
    def generations(self) -> list[int]:
        """The generations recorded so far."""
        return sorted(self.metrics["generation"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option that says where runs are."""
    parser.add_argument("--mongo", metavar="HOST:PORT:DB", help="the runs are numbers in this MongoDB, not folders")


def read_runs(names: list[str], mongo: str | None) -> list[RecordedRun]:
    """The runs of these names: folders (of a run, or of several), or numbers in a database.

    Raises:
        RunError: one of them cannot be read, or has no complete generation yet.
    """
    runs = [run for name in names for run in _in_folder(Path(name))] if mongo is None else _in_mongo(names, mongo)
    for run in runs:
        if "generation" not in run.metrics:
            raise RunError(f"{run.name}: no generation is recorded yet (status {run.status}); try again later")
    return runs


def _in_folder(folder: Path) -> list[RecordedRun]:
    inner = sorted((int(path.parent.name), path.parent) for path in folder.glob("[0-9]*/run.json"))
    if not (folder / "run.json").exists() and inner:
        return [_folder(path) for _, path in inner if (path / "metrics.json").exists()]
    return [_folder(folder)]


def _folder(folder: Path) -> RecordedRun:
    if not (folder / "run.json").exists():
        raise RunError(f"{folder}: expected the folder of a recorded run, such as results/1; it has no run.json")
    metrics = _json(folder / "metrics.json") if (folder / "metrics.json").exists() else {}
    return RecordedRun(
        str(folder),
        _json(folder / "config.json"),
        {name: _by_generation(m["steps"], m["values"]) for name, m in metrics.items()},
        str(_json(folder / "run.json").get("status")),
    )


def _by_generation(steps: list[int], values: list[Any]) -> dict[int, float]:
    return {step: float("nan") if value is None else value for step, value in zip(steps, values, strict=False)}


def _json(path: Path) -> Any:
    for number in range(_TRIES):
        try:
            return json.loads(path.read_text())
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            problem = error
        if number < _TRIES - 1:
            time.sleep(_SECONDS_BETWEEN)
    raise RunError(f"{path}: is damaged: {problem}")


def _in_mongo(names: list[str], address: str) -> list[RecordedRun]:
    database = connect(address)
    try:
        return [_document(database, name) for name in names]
    finally:
        database.client.close()


def connect(address: str) -> Any:
    """A database, of a server that answers.

    Raises:
        RunError: the address is not HOST:PORT:DB, pymongo is missing, or the server does not answer.
    """
    host, _, rest = address.partition(":")
    port, _, name = rest.partition(":")
    if not host or not port.isdigit() or not name:
        raise RunError(
            f"expected the address of a database as HOST:PORT:DB, such as localhost:27017:runs, got {address}"
        )
    try:
        import pymongo
    except ImportError:
        raise RunError("a database needs pymongo, which is missing; pip install pymongo") from None
    client: Any = pymongo.MongoClient(host, int(port), serverSelectionTimeoutMS=int(_SECONDS_FOR_SERVER * 1000))
    try:
        client.admin.command("ping")
    except pymongo.errors.PyMongoError as error:
        client.close()
        raise RunError(
            f"no MongoDB answers at {host}:{port} within {_SECONDS_FOR_SERVER:.0f} seconds ({type(error).__name__}); "
            "is it running, and reachable from this machine?"
        ) from None
    return client[name]


def _document(database: Any, name: str) -> RecordedRun:
    ids = [name, *([int(name)] if name.isdigit() else [])]  # sacred's option -i makes a number text
    run = database.runs.find_one({"_id": {"$in": ids}})
    if run is None:
        known = [str(r["_id"]) for r in database.runs.find({}, {"_id": 1}).sort("_id", -1).limit(10)]
        raise RunError(
            f"run {name} is not in the database {database.name}; the latest are: {', '.join(known) or 'none'}"
        )
    metrics = {
        m["name"]: _by_generation(m["steps"], m["values"]) for m in database.metrics.find({"run_id": run["_id"]})
    }
    return RecordedRun(f"run {name}", dict(run["config"]), metrics, str(run.get("status")))

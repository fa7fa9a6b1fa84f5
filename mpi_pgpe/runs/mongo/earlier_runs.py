"""Runs whose programs are over, and may not have brought all of their records to MongoDB."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.checksums import tell_damage
from mpi_pgpe.runs.dead_runs import NotNow, mark_if_dead
from mpi_pgpe.runs.mongo.address import SECONDS_TO_CONNECT, Target, Unreachable, connect

if TYPE_CHECKING:
    from pymongo import MongoClient

_ATTEMPTS = 5


def deliver(folder: Path, client: MongoClient[dict[str, Any]], target: Target) -> str:
    """Bring the database up to date with a run's folder; returns what came of it.

    Raises:
        NotNow: the run is still going on.
        pymongo.errors.PyMongoError, records.mirror.Diverged, OSError: it could not be delivered.
    """
    from mpi_pgpe.runs.mongo.mirror import Diverged, Mirror  # here, because it needs pymongo

    held = run_folder.lock_folder(folder)
    if held is None:
        raise NotNow("is going on, and its own program delivers it")
    with held:
        tell_damage(folder)
        mark_if_dead(folder)
        mirror = Mirror(client, target.database, folder)
        for attempt in range(_ATTEMPTS):
            try:
                mirror.update()
                break
            except Diverged:  # what the run's own program sent last may have been under way still
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(1)
        run_folder.write_json(folder / run_folder.MONGO, {"database": target.shown, "id": mirror.id})
    status = run_folder.read_entry(folder)["status"]
    return f"run {mirror.id} in {target.shown} ({status}, {mirror.points} points of metrics)"


def last_step(run_id: int | str, target: Target) -> int | None:
    """The last step whose metrics the database has of a run; None if it has no such run, or does not answer."""
    import pymongo

    try:
        with connect(target) as client, pymongo.timeout(SECONDS_TO_CONNECT):
            database = client[target.database]
            if database["runs"].find_one({"_id": run_id}, {"_id": 1}) is None:
                return None
            ends = database["metrics"].find({"run_id": run_id}, {"steps": {"$slice": -1}})
            return max((metric["steps"][-1] for metric in ends), default=0)
    except (Unreachable, pymongo.errors.PyMongoError):
        return None

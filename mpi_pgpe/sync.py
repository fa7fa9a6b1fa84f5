"""Deliver recorded runs to MongoDB: `python -m mpi_pgpe.sync FOLDER [-m DATABASE]`.

FOLDER is the folder of one run, or one of runs, of which those are taken that were started with -m.
Nothing is delivered twice, however often this is run. A run whose program was killed is marked as DEAD.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.records import files
from mpi_pgpe.records.target import FORMS, VARIABLE, BadTarget, Target, Unreachable, chosen, connect, hide_secrets

if TYPE_CHECKING:
    from pymongo import MongoClient

_BEATS_MISSED = 6  # by a run on another machine, until it counts as dead
_ATTEMPTS = 5


class NotNow(Exception):
    """A run that cannot be delivered; the message says why."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m mpi_pgpe.sync", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="results, results/7 or saved_agents/...")
    p.add_argument("-m", "--mongo_db", metavar="DATABASE", help=f"{FORMS} (default: what {VARIABLE} says)")
    return p


def run_folders(folder: Path) -> list[Path]:
    """The folders of runs that `folder` means.

    Raises:
        NotNow: there are none.
    """
    if (folder / files.RUN).exists():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{files.MONGO}") if (path.parent / files.RUN).exists()]
    if not found:
        raise NotNow(
            f"{folder}: expected the folder of a run (it holds {files.RUN}), "
            f"or a folder of runs that were started with -m (they hold {files.MONGO})"
        )
    return sorted(found, key=lambda path: (len(path.name), path.name))


def deliver(folder: Path, client: MongoClient[dict[str, Any]], target: Target) -> str:
    """Bring the database up to date with a run's folder; returns what came of it.

    Raises:
        NotNow: the run is still going on.
        pymongo.errors.PyMongoError, records.mirror.Diverged, OSError: it could not be delivered.
    """
    from mpi_pgpe.records.mirror import Diverged, Mirror  # here, because it needs pymongo

    held = files.lock(folder)
    if held is None:
        raise NotNow("is going on, and its own program delivers it")
    with held:
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
        files.write_json(folder / files.MONGO, {"database": target.shown, "id": mirror.id})
    status = files.read_json(folder / files.RUN)["status"]
    return f"run {mirror.id} in {target.shown} ({status}, {mirror.points} points of metrics)"


def mark_if_dead(folder: Path) -> None:
    """Give a run that ended without a word, by a kill -9 say, the status DEAD in its files.

    Raises:
        NotNow: it may be alive on another machine.
    """
    entry = files.read_json(folder / files.RUN)
    if entry["status"] != "RUNNING":
        return
    last = entry["heartbeat"] or entry["start_time"]
    host = entry["host"].get("hostname")
    beat = float((entry["meta"].get("options") or {}).get("--beat_interval") or 10)
    silence = datetime.now(timezone.utc).replace(tzinfo=None) - datetime.fromisoformat(last)
    # The lock that `deliver` holds is proof on the run's own machine; not every network file system carries it.
    if host != socket.gethostname() and silence < timedelta(seconds=_BEATS_MISSED * beat):
        raise NotNow(f"seems to be going on at {host}; its last heartbeat is {silence.seconds} seconds old")
    files.write_metrics(folder)
    files.write_json(folder / files.RUN, entry | {"status": "DEAD", "stop_time": last})


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 if all runs are delivered."""
    shown, hidden = hide_secrets(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(shown)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        target = chosen(hidden.get(args.mongo_db, args.mongo_db))
        if target is None:
            raise BadTarget(f"expected a database to deliver to: give -m or set {VARIABLE}: {FORMS}")
        folders = run_folders(args.folder)
    except (BadTarget, NotNow) as error:
        print(f"sync: {error}", file=sys.stderr)
        return 1
    try:
        client = connect(target)
    except Unreachable as error:
        print(f"sync: the MongoDB at {target.shown} cannot be used: {error}", file=sys.stderr)
        return 1
    failures = 0
    for folder in folders:
        try:
            print(f"{folder}: {deliver(folder, client, target)}")
        except Exception as error:  # of the database or the disk; the other runs may do better
            print(f"sync: {folder}: {target.scrub(error)}", file=sys.stderr)
            failures += 1
    client.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs whose programs ended without a word, by a kill -9 or a crash in native code: noticed, and marked as DEAD."""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.base.regular_file import open_regular
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.checksums import write_checksums

RUNNING, DEAD = "RUNNING", "DEAD"
DEAD_IN_DATABASE = "PROBABLY_DEAD"
"""What the same is called there, because Omniboard knows it."""
_BEATS_MISSED = 6  # by a run on another machine, until it counts as dead
_LARGEST_LOCK = 2**20  # bytes; it has none


class NotNow(UserError):
    """A run that goes on; the message says why that is believed."""


def has_died(folder: Path) -> bool:
    """Whether a record says RUNNING, and the program that wrote it is gone; nothing is written.

    Raises:
        DamagedRecord: what the record says of the run cannot be read.
    """
    if run_folder.read_json(folder / run_folder.RUN).get("status") != RUNNING:
        return False
    lockable = _is_unlocked(folder / run_folder.LOCK)
    if lockable is False:
        return False
    entry = run_folder.read_json(folder / run_folder.RUN)  # again: it may have come to its end meanwhile
    if entry.get("status") != RUNNING:
        return False
    return bool(lockable and _is_here(entry)) or is_silent(entry, folder)


def mark_if_dead(folder: Path) -> bool:
    """Give a run that ended without a word the status DEAD in its files; the caller holds its lock.

    Returns:
        whether it did.

    Raises:
        NotNow: it may be alive on another machine.
        DamagedRecord: what the record says of the run cannot be read.
        OSError: it cannot be written.
    """
    entry = run_folder.read_entry(folder)
    if entry["status"] != RUNNING:
        return False
    # The lock is proof on the run's own machine; not every network file system carries it.
    silent = is_silent(entry, folder)
    if not (_is_here(entry) or silent):
        raise NotNow(f"seems to be going on at {entry['host'].get('hostname')}; its last heartbeat is not old")
    run_folder.write_metrics(folder)
    run_folder.end_info(folder, entry)
    run_folder.write_json(folder / run_folder.RUN, entry | {"status": DEAD, "stop_time": _last_sign(entry)})
    write_checksums(folder)
    return True


def mark_what_is_dead(folder: Path) -> bool:
    """The same for a record whose lock nobody may hold; where it cannot be marked nothing is done."""
    with contextlib.suppress(NotNow, run_folder.DamagedRecord, OSError):
        if run_folder.read_json(folder / run_folder.RUN).get("status") == RUNNING:
            held = run_folder.lock_folder(folder)
            if held is not None:
                with held:
                    return mark_if_dead(folder)
    return False


def is_silent(entry: Mapping[str, Any], source: object) -> bool:
    """Whether a run has missed so many heartbeats that it counts as dead.

    Args:
        entry: what is recorded of it, in its folder or in a database.
        source: what to call the record if it is damaged.

    Raises:
        DamagedRecord: when it last gave a sign cannot be read.
    """
    try:
        last = _last_sign(entry)
        last = last if isinstance(last, datetime) else datetime.fromisoformat(last)
        beat = float((entry["meta"].get("options") or {}).get("--beat-interval") or 10)
        return datetime.now(timezone.utc).replace(tzinfo=None) - last >= timedelta(seconds=_BEATS_MISSED * beat)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise run_folder.DamagedRecord(f"{source}: what is recorded of the run is damaged: {error}") from None


def _last_sign(entry: Mapping[str, Any]) -> Any:
    return entry.get("heartbeat") or entry["start_time"]


def _is_here(entry: Mapping[str, Any]) -> bool:
    host = entry.get("host")
    return isinstance(host, Mapping) and host.get("hostname") == socket.gethostname()


def _is_unlocked(path: Path) -> bool | None:
    """Whether nobody holds a lock; None if that cannot be known."""
    try:
        with open_regular(path, _LARGEST_LOCK, follow=False) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except OSError:  # there is none, or the file system has no locks
        return None

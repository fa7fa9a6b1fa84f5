"""Carries a run's folder to MongoDB in the background, whatever becomes of the server."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.base.text import format_path
from mpi_pgpe.runs.dead_runs import NotNow
from mpi_pgpe.runs.mongo.address import Target, Unreachable, connect, describe_refusal
from mpi_pgpe.runs.mongo.earlier_runs import deliver

if TYPE_CHECKING:
    from pymongo import MongoClient

    from mpi_pgpe.runs.mongo.mirror import Mirror

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds after a failure: doubled at each further one
SHARE = 1 / 400  # of a processor's time: how much the thread may take from training
SHARE_OF_SERVER = 1 / 4  # of its time: how much one run may ask of it
LONGEST_REST = 300.0  # seconds between two attempts for that
_PATIENCE = 5.0  # seconds that a server may be away at the end of the run
_HURRY = 2.5  # seconds that it may take at the end of a run that has failed, because all ranks have to end soon
_LONGEST_WAIT = 60.0  # seconds at the end of a run, however slowly a server takes its record
_SECONDS_BETWEEN_WORDS = 10.0  # on the screen, meanwhile
_SECONDS_TO_ANSWER = 2.0

_log = logging.getLogger(__name__)


def rest(processor: float, wall: float, failures: int = 0) -> float:
    """Seconds until the next attempt, after one that took `processor` and `wall` seconds.

    `failures` counts those in a row up to this one; 0: it did not fail.
    """
    least = min(FIRST_PAUSE * 2 ** min(failures - 1, 30), LONGEST_PAUSE) if failures else wall / SHARE_OF_SERVER - wall
    return min(max(least, processor / SHARE), LONGEST_REST)


class Delivery(threading.Thread):
    """A thread that keeps MongoDB up to date with a run's folder.

    It reads the folder alone, so that nothing piles up in memory while the server is away.

    Args:
        client: if the server has been reached.
        mirror: of the folder, if the run has its id in the database.
        trouble: why the server has not been reached, if the user has been told already.
    """

    def __init__(
        self,
        target: Target,
        folder: Path,
        client: MongoClient[dict[str, Any]] | None = None,
        mirror: Mirror | None = None,
        trouble: str | None = None,
    ) -> None:
        super().__init__(name="mpi_pgpe delivery", daemon=True)
        self._target = target
        self._folder = folder
        self._client = client
        self._mirror = mirror
        self._news = threading.Event()
        self._ending = threading.Event()
        self._delivered = threading.Event()
        self._given_up = False
        self._trouble = trouble
        self._earlier: list[Path] = []
        self._withdrawn = False

    def add_folders(self, folders: list[Path]) -> None:
        """Deliver these folders, of runs that are over, too."""
        self._earlier += folders
        self.wake()

    def withdraw(self) -> None:
        """Take the run out of the database, instead of bringing it up to date."""
        self._withdrawn = True
        self.wake()

    def wake(self) -> None:
        """There is something new in the folder."""
        self._news.set()

    def run(self) -> None:
        """Deliver whatever is new; after a failure try again, later and later."""
        failures = 1 if self._trouble else 0
        while not (self._delivered.is_set() or self._given_up):
            if not failures:
                self._news.wait()
            self._news.clear()
            last = self._ending.is_set()  # asked before: nothing is written after it is set
            processor, wall = time.thread_time(), time.monotonic()
            try:
                self._update()
            except Exception as error:  # whatever it is, training goes on and the folder stays
                self._failed(error)
                failures += 1
            else:
                self._succeeded(last)
                failures = 0
            pause = rest(time.thread_time() - processor, time.monotonic() - wall, failures)
            if last:
                time.sleep(min(pause, FIRST_PAUSE))
            else:
                self._ending.wait(pause)

    def _update(self) -> None:
        from mpi_pgpe.runs.mongo.mirror import Mirror  # here, because it needs pymongo

        if self._withdrawn:
            if self._mirror is not None:  # else it never was there
                self._mirror.remove()
            return
        if self._client is None:
            self._client = connect(self._target)
        if self._mirror is None:
            self._mirror = Mirror(self._client, self._target.database, self._folder)
        self._mirror.update()
        for folder in list(self._earlier):
            try:
                deliver(folder, self._client, self._target)
            except NotNow:  # perhaps later
                continue
            except (OSError, ValueError) as error:
                _log.warning("%s, which this run continues, is not delivered: %s", folder, error)
            self._earlier.remove(folder)

    def _failed(self, error: Exception) -> None:
        trouble = self._target.scrub(error if isinstance(error, Unreachable) else describe_refusal(error))
        if self._trouble is None:
            _log.warning(
                "MongoDB %s does not take the record of this run (%s). Training goes on; what it lacks waits in %s",
                self._target.shown, trouble, format_path(self._folder),
            )  # fmt: skip
        self._trouble = trouble

    def _succeeded(self, last: bool) -> None:
        if self._trouble:
            _log.warning("MongoDB %s is back and has all that waited", self._target.shown)
            self._trouble = None
        if last:
            self._delivered.set()
            with contextlib.suppress(Exception):
                self._client.close()  # type: ignore[union-attr]

    def finish(self, hurry: bool = False) -> str | None:
        """After the last write: wait until all is delivered, for as long as the server answers.

        With `hurry` for a short time only. Returns why it is not delivered, or None.
        """
        self._ending.set()
        self.wake()
        why = self._wait(hurry)
        self._given_up = why is not None
        return why

    def _wait(self, hurry: bool) -> str | None:
        began = time.monotonic()
        word = _SECONDS_BETWEEN_WORDS
        try:
            while not self._delivered.wait(0.1):
                waited = time.monotonic() - began
                if waited >= word:
                    word += _SECONDS_BETWEEN_WORDS
                    self._tell_progress(_LONGEST_WAIT - waited)
                if waited >= _LONGEST_WAIT:
                    return f"it is slow, and a run that is over waits no longer than {_LONGEST_WAIT:g} s"
                if waited < (_HURRY if hurry else _PATIENCE):
                    continue
                if self._trouble:
                    return self._trouble
                if hurry:
                    return f"a run that has failed does not wait longer than {_HURRY:g} s"
                if not self._answers():
                    return "it does not answer"
        except KeyboardInterrupt:
            return "interrupted"
        return None

    def _tell_progress(self, left: float) -> None:
        points = 0 if self._mirror is None else self._mirror.points
        print(
            f"the run is over; MongoDB {self._target.shown} has {points} points of its metrics so far. Waiting for the "
            f"rest, {max(left, 0):.0f} s at most",
            file=sys.stderr,
            flush=True,
        )

    def _answers(self) -> bool:
        import pymongo

        try:
            with pymongo.timeout(_SECONDS_TO_ANSWER):
                return self._client is not None and bool(self._client.admin.command("ping"))
        except pymongo.errors.PyMongoError:
            return False

"""Carries a run's folder to MongoDB in the background, whatever becomes of the server."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.records.target import Target, Unreachable, connect, reason

if TYPE_CHECKING:
    from pymongo import MongoClient

    from mpi_pgpe.records.mirror import Mirror

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds before another attempt
_SHARE = 1 / 250  # of the processor's time: how much the thread may take from training
_LONGEST_REST = 300.0  # seconds between two deliveries for that
_PATIENCE = 5.0  # seconds that a server may be away at the end of the run
_SECONDS_TO_ANSWER = 2.0

_log = logging.getLogger(__name__)


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
        self._trouble = trouble

    def wake(self) -> None:
        """There is something new in the folder."""
        self._news.set()

    def run(self) -> None:
        """Deliver whatever is new; after a failure try again, later and later."""
        pause = _FIRST_PAUSE
        while not self._delivered.is_set():
            self._news.wait(pause if self._trouble else None)
            self._news.clear()
            last = self._ending.is_set()  # asked before: nothing is written after it is set
            began = time.thread_time()
            try:
                self._update()
            except Exception as error:  # whatever it is, training goes on and the folder stays
                self._failed(error)
                pause = _FIRST_PAUSE if self._ending.is_set() else min(2 * pause, _LONGEST_PAUSE)
                if self._ending.is_set():
                    time.sleep(_FIRST_PAUSE)
            else:
                if self._trouble:
                    _log.warning("MongoDB %s is back and has all that waited", self._target.shown)
                    self._trouble = None
                pause = _FIRST_PAUSE
                if last:
                    self._delivered.set()
                    with contextlib.suppress(Exception):
                        self._client.close()  # type: ignore[union-attr]
                else:
                    self._ending.wait(min((time.thread_time() - began) / _SHARE, _LONGEST_REST))

    def _update(self) -> None:
        from mpi_pgpe.records.mirror import Mirror  # here, because it needs pymongo

        if self._client is None:
            self._client = connect(self._target)
        if self._mirror is None:
            self._mirror = Mirror(self._client, self._target.database, self._folder)
        self._mirror.update()

    def _failed(self, error: Exception) -> None:
        self._mirror = None  # what the database has is not known any more
        trouble = self._target.scrub(error if isinstance(error, Unreachable) else reason(error))
        if self._trouble is None:
            _log.warning(
                "MongoDB %s does not take the record of this run (%s). Training goes on; what it lacks waits in %s",
                self._target.shown, trouble, self._folder,
            )  # fmt: skip
        self._trouble = trouble

    def finish(self) -> str | None:
        """Nothing will be written any more: wait until all is delivered, for as long as the server answers.

        Returns why it is not delivered, or None.
        """
        self._ending.set()
        self.wake()
        began = time.monotonic()
        try:
            while not self._delivered.wait(0.1):
                if time.monotonic() - began < _PATIENCE:
                    continue
                if self._trouble:
                    return self._trouble
                if not self._answers():
                    return "it does not answer"
        except KeyboardInterrupt:
            return "interrupted"
        return None

    def _answers(self) -> bool:
        import pymongo

        try:
            with pymongo.timeout(_SECONDS_TO_ANSWER):
                return self._client is not None and bool(self._client.admin.command("ping"))
        except pymongo.errors.PyMongoError:
            return False

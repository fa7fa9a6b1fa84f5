"""What a run in progress appends to its folder: each line at once, and whole; a full disk stops nothing."""

from __future__ import annotations

import datetime
import json
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpi_pgpe.runs import run_folder

METRICS_SHARE = 1 / 300  # of the time may go into writing metrics.json, which grows with the run

SECONDS_UNTIL_TOLD_AGAIN = 600  # that the disk is full

_log = logging.getLogger(__name__)


class GrowingRecord:
    """Writes to the folder of a run that goes on, from any thread.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard = threading.RLock()  # sacred's heartbeat is a thread of its own
        self.full = False
        """Whether the last attempt to write failed."""
        self._told = False  # that it did, and nothing since
        self._tell_next = -math.inf
        self._lines = run_folder.Appended(folder / run_folder.METRIC_LINES)
        self._output = run_folder.Appended(folder / run_folder.OUTPUT)
        self._metrics_next = 0.0

    def safely(self, write: Callable[[], None]) -> None:
        """Write; a full disk is told once and stops neither the training nor later attempts.

        A disk that is nearly full takes a small file and refuses the next: that is not told again and again.
        """
        with self.guard:
            try:
                write()
            except OSError as error:
                self.full = True
                now = time.monotonic()
                if not self._told and now > self._tell_next:
                    self._told, self._tell_next = True, now + SECONDS_UNTIL_TOLD_AGAIN
                    _log.error("%s cannot be written to: %s. Training goes on; make room", self.folder, error.strerror)
            else:
                if self.full and self._told:
                    self._told = False
                    _log.warning("%s can be written to again", self.folder)
                self.full = False

    def append_metrics(self, step: int, metrics: dict[str, Any]) -> None:
        """Write the metrics of a step, with the time."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        line = {run_folder.STEP: step, run_folder.TIMESTAMP: now.isoformat()} | metrics
        self.safely(lambda: self._lines.append(json.dumps(line, default=run_folder.to_json_types).encode() + b"\n"))

    def append_output(self, text: str) -> None:
        """Write what was printed."""
        self.safely(lambda: self._output.append(text.encode(errors="backslashreplace")))

    def update_metrics(self) -> None:
        """Write metrics.json anew, unless that would take more than its share of the time."""
        if time.monotonic() > self._metrics_next:
            self._write_metrics()

    def _write_metrics(self) -> None:
        began = time.monotonic()
        run_folder.write_metrics(self.folder)
        ended = time.monotonic()
        self._metrics_next = ended + (ended - began) / METRICS_SHARE

    def finish(self) -> None:
        """Nothing more is appended: what could not be written before is written, and metrics.json."""
        for write in (self._lines.finish, self._output.finish, self._write_metrics):
            self.safely(write)

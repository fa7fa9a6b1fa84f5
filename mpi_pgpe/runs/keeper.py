"""What a run leaves for those that go on with it: checkpoints, and the mark of its completion."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.text import format_path
from mpi_pgpe.runs.checkpoint import Folder, Schedule
from mpi_pgpe.runs.resume import make_key
from mpi_pgpe.runs.run_folder import COMPLETED
from mpi_pgpe.runs.start import DEFAULTS, Start
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.trainer import Trainer


class Keeper:
    """Writes a run's checkpoints, with its metrics so far, and the marker of its completion.

    Args:
        settings: of the run.
        folder: for checkpoints, unless `settings.checkpoint` names another.
        run: describes the run's record, for those that go on from here: `id`, `folder` and `database`.
        start: the checkpoint that this run goes on from.
    """

    def __init__(self, settings: Settings, folder: Path, run: Mapping[str, Any], start: Start | None) -> None:
        self._settings = settings
        self._folder = Folder(Path(settings.checkpoint or folder).absolute(), make_key(settings, settings.seed))
        self._schedule = Schedule(settings.checkpoint_interval, settings.checkpoint_seconds)
        self._start = start
        self._runs = [*(start.runs if start else []), dict(run)]
        self._metrics: dict[str, tuple[list[int], list[float]]] = {}
        self._written = 0 if start is None else start.generation
        self._refused = False  # the disk did, the last time
        self.seconds = 0.0
        if start is not None:
            for name, columns in start.content["metrics"].items():
                self._metrics[name] = columns["generations"].tolist(), columns["values"].tolist()
        if os.path.lexists(self.marker):
            self._try(self.marker.unlink, self.marker)  # this run is not complete yet

    @property
    def path(self) -> Path:
        """The folder with the checkpoints."""
        return self._folder.path

    @property
    def key(self) -> str:
        """What the names of the checkpoints have of the configuration."""
        return self._folder.key

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is one to go on from."""
        return self._written > 0

    @property
    def marker(self) -> Path:
        """The file that says that the run is complete."""
        return self.path / COMPLETED

    @property
    def columns(self) -> Mapping[str, tuple[list[int], list[float]]]:
        """name -> (generations, values) of the metrics so far, those of the runs before this one among them."""
        return self._metrics

    def metrics(self) -> list[tuple[str, float, int]]:
        """(name, value, generation) of the same."""
        return [
            (name, value, generation)
            for name, (generations, values) in self._metrics.items()
            for generation, value in zip(generations, values, strict=True)
        ]

    def begin(self) -> None:
        """Name this run's record in the checkpoint that the run goes on from, before anything is recorded.

        Should it be killed before its own first checkpoint, the next one begins there again, and has to know it.
        """
        start = self._start
        if start is None:
            return

        def write() -> None:
            before = start.path.stat()
            path = self._folder.write(start.generation, {**start.content, "runs": self._runs})
            if path.absolute() == start.path.absolute():  # it is no younger for that: nothing has been achieved yet
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        self._try(write, self.path)

    def keep(self, report: Report, trainer: Trainer) -> None:
        """Take in a generation; write a checkpoint if one is due."""
        for name, value in report.metrics.items():
            generations, values = self._metrics.setdefault(name, ([], []))
            generations.append(report.generation)
            values.append(value)
        if self._schedule.due(report.generation):
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write a checkpoint, unless there is one of this generation already."""
        generation = trainer.search.generation
        if generation == self._written:
            return
        began = time.perf_counter()
        content = {
            "settings": self._settings.describe_result(),
            "trainer": trainer.state(),
            "runs": self._runs,
            "versions": trainer.versions,
            **({DEFAULTS: 2} if self._start is None or DEFAULTS in self._start.content else {}),
            "metrics": {
                name: {"generations": np.array(generations, np.int64), "values": np.array(values)}
                for name, (generations, values) in self._metrics.items()
            },
        }
        if self._try(lambda: self._folder.write(generation, content), self.path):
            self._written = generation
        self._schedule.written()
        self.seconds = time.perf_counter() - began

    def complete(self, result: Mapping[str, Any]) -> None:
        """Say for good that the run is complete, and with which result."""
        self._refused = False  # that there is no marker is told in any case
        self._try(lambda: write_atomically(self.marker, json.dumps(result, indent=2).encode() + b"\n"), self.marker)

    def _try(self, work: Callable[[], object], path: Path) -> bool:
        """Write; a disk that refuses is told once, until it takes something again."""
        told, self._refused = self._refused, False
        try:
            work()
        except OSError as error:
            self._refused = True
            if not told:
                print(
                    f"cannot write to {format_path(path)}: {error.strerror or error}; the run goes on, and what was "
                    "there before is as it was. Make room or give permission, or what comes after the last checkpoint "
                    "may be lost",
                    file=sys.stderr,
                    flush=True,
                )
            return False
        return True

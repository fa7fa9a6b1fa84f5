"""Going on with a run: where its checkpoints are, whether they fit, and what a run leaves for the next."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpi_pgpe.agents import write_atomically
from mpi_pgpe.checkpoint import CheckpointError, Folder, Schedule, State, digest, read
from mpi_pgpe.reports import Report
from mpi_pgpe.settings import Settings
from mpi_pgpe.trainer import Trainer

MARKER = "completed.json"
"""Written beside the checkpoints when, and only when, a run is complete."""


class CannotResume(ValueError):
    """There is nothing to go on from, or it does not fit; the message says what to do."""


@dataclass
class Start:
    """A checkpoint that a run goes on from."""

    content: State
    path: Path

    @property
    def generation(self) -> int:
        """The last completed one."""
        return int(self.content["trainer"]["result"]["search"]["generation"])

    @property
    def seed(self) -> int:
        """The run's."""
        return int(self.content["settings"]["seed"])

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The records that hold the run so far, oldest first: what `Keeper` was told of each."""
        return list(self.content["runs"])


def completed(start: Start, settings: Settings) -> str | None:
    """What to say of a run that is complete, also by these settings; None if something is left to do."""
    result = start.content["trainer"]["result"]
    target = settings.target_return
    if start.generation < settings.niters and (target is None or result["best_re_eval"] < target):
        return None
    marker = start.path.parent / MARKER
    try:
        end = json.loads(marker.read_text())
    except (OSError, ValueError):
        return None
    if end.get("state_digest") != f"{digest(result):012x}":  # of another run with its checkpoints here
        return None
    return (
        f"complete already, as {marker} says: mean return {end['re_eval_mean']:.1f} after generation "
        f"{end['generation']}, in {end['folder']}. With a larger niters the run goes on"
    )


def key(settings: Settings, seed: int | None) -> str:
    """What the checkpoints of a configuration have in their names; with None as seed, a pattern for all seeds."""
    rest = {name: value for name, value in settings.of_the_result().items() if name != "seed"}
    config = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]
    return f"{config}-seed{'*' if seed is None else seed}"


def find(settings: Settings, seed: int | None, folders: Iterable[Path]) -> Start | None:
    """The checkpoint that `settings.resume` asks for, checked against the settings.

    Args:
        settings: of the run that is to begin.
        seed: its seed, or None if any will do, because the user did not set one.
        folders: where `auto` looks.

    Returns:
        None with `auto` where there is none.

    Raises:
        CannotResume: there is none at the path, none can be read, or the settings differ.
    """
    if settings.resume is None:
        return None
    if settings.resume == "auto":
        start = _newest(folders, key(settings, seed))
        if start is None:
            return None
    else:
        path = Path(settings.resume)
        if path.is_dir():
            found = _newest([path], "*")
            if found is None:
                raise CannotResume(f"resume={path}: expected a checkpoint or a folder with some, found none there")
            start = found
        else:
            try:
                start = Start(read(path), path)
            except CheckpointError as error:
                hint = "; its folder in place of it takes the newest good one" if path.exists() else ""
                raise CannotResume(f"resume: {error}{hint}") from None
    _compare(settings, seed, start)
    return start


def _newest(folders: Iterable[Path], pattern: str) -> Start | None:
    """The newest good checkpoint in the folders; says which newer ones are damaged."""
    files = [(path.stat().st_mtime_ns, path) for folder in folders for path in Folder(folder, pattern).files()]
    complaint = None
    for _, path in sorted(files, reverse=True):
        try:
            return Start(read(path), path)
        except CheckpointError as error:
            complaint = error
            print(f"{error}; trying the one before it", file=sys.stderr, flush=True)
    if complaint is not None:
        raise CannotResume(f"resume: no checkpoint can be read; the oldest: {complaint}")
    return None


def _compare(settings: Settings, seed: int | None, start: Start) -> None:
    ours = json.loads(json.dumps(settings.of_the_result()))
    theirs = start.content["settings"]
    if seed is None:
        ours["seed"] = theirs["seed"]
    different = [
        f"{name}: {theirs.get(name)!r} there, {ours.get(name)!r} now"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    if different:
        raise CannotResume(
            f"resume: {start.path} is of another configuration: {'; '.join(different)}. "
            "Set these as they were there, or start a new run without resume"
        )


def recorded_until(
    runs: Iterable[Mapping[str, Any]], elsewhere: Callable[[Mapping[str, Any]], int | None] = lambda run: None
) -> int | None:
    """The last generation whose metrics are in the records of `runs`; None if there is no record.

    `elsewhere` is asked for those whose folder is gone.
    """
    found = []
    for run in runs:
        last = _last_step(Path(str(run["folder"])))
        found.append(elsewhere(run) if last is None else last)
    return max((last for last in found if last is not None), default=None)


def _last_step(folder: Path) -> int | None:
    if not (folder / "run.json").exists():
        return None  # not a folder of records, but one of agents alone, say
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        return max((json.loads(line)["step"] for line in lines if line.endswith(b"\n")), default=0)
    with contextlib.suppress(FileNotFoundError):
        return max(json.loads((folder / "metrics.json").read_bytes())["generation"]["steps"], default=0)
    return 0


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
        self._folder = Folder(settings.checkpoint or folder, key(settings, settings.seed))
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
        if self.marker.exists():
            self._try(self.marker.unlink, self.marker)  # this run is not complete yet

    @property
    def path(self) -> Path:
        """The folder with the checkpoints."""
        return self._folder.path

    @property
    def marker(self) -> Path:
        """The file that says that the run is complete."""
        return self.path / MARKER

    def metrics(self, after: int) -> list[tuple[str, float, int]]:
        """(name, value, generation) of the metrics before this run, of generations later than `after`."""
        return [
            (name, value, generation)
            for name, (generations, values) in self._metrics.items()
            for generation, value in zip(generations, values, strict=True)
            if generation > after
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
            "settings": self._settings.of_the_result(),
            "trainer": trainer.state(),
            "runs": self._runs,
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
                    f"cannot write to {path}: {error.strerror or error}; the run goes on, and what was there before is "
                    "as it was. Make room or give permission, or what comes after the last checkpoint may be lost",
                    file=sys.stderr,
                    flush=True,
                )
            return False
        return True

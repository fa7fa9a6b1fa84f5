"""Going on with a run: where its checkpoints are, and whether they fit."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.state import State, digest
from mpi_pgpe.runs.checkpoint import CheckpointError, Folder, read
from mpi_pgpe.runs.reader import read_metrics
from mpi_pgpe.runs.run_folder import COMPLETED, RUN
from mpi_pgpe.training.setting import ALWAYS_THERE
from mpi_pgpe.training.settings import TABLE, Settings

_EARLIER = {name: each.before for name, each in TABLE.items() if each.before is not ALWAYS_THERE}


class CannotResume(WrongInput):
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
    def earlier_rules(self) -> dict[str, Any]:
        """Settings that are not in the checkpoint, with what the program did before there were such settings."""
        return {name: value for name, value in _EARLIER.items() if name not in self.content["settings"]}

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The records that hold the run so far, oldest first: what `Keeper` was told of each."""
        return list(self.content["runs"])


def describe_completion(start: Start, settings: Settings) -> str | None:
    """What to say of a run that is complete, also by these settings; None if something is left to do."""
    result = start.content["trainer"]["result"]
    target = settings.target_return
    if start.generation < settings.niters and (target is None or result["best_re_eval"] < target):
        return None
    marker = start.path.parent / COMPLETED
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


def make_key(settings: Settings, seed: int | None) -> str:
    """What the checkpoints of a configuration have in their names; with None as seed, a pattern for all seeds."""
    rest = {name: value for name, value in settings.describe_result().items() if name != "seed"}
    config = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]
    return f"{config}-seed{'*' if seed is None else seed}"


def find_checkpoint(
    settings: Settings, seed: int | None, folders: Iterable[Path], given: Collection[str] = ()
) -> Start | None:
    """The checkpoint that `settings.resume` asks for, checked against the settings.

    Args:
        settings: of the run that is to begin.
        seed: its seed, or None if any will do, because the user did not set one.
        folders: where `auto` looks.
        given: names of the settings that the user set; for others the run goes on with `Start.earlier_rules`.

    Returns:
        None with `auto` where there is none.

    Raises:
        CannotResume: there is none at the path, none can be read, or the settings differ.
    """
    if settings.resume is None:
        return None
    if settings.resume == "auto":
        folders = list(folders)
        start = _newest(folders, make_key(settings, seed)) or _newest(
            folders, make_key(_with(settings, _EARLIER, given), seed)
        )
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
    _compare(_with(settings, start.earlier_rules, given), seed, start)
    return start


def _with(settings: Settings, rules: Mapping[str, Any], given: Collection[str]) -> Settings:
    """`settings`, with the `rules` in place of what the user did not set."""
    return replace(settings, **{name: value for name, value in rules.items() if name not in given})


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
    ours = json.loads(json.dumps(settings.describe_result()))
    theirs = start.content["settings"]
    if seed is None:
        ours["seed"] = theirs["seed"]
    different = [
        f"{name}: {_value(theirs, name)!r} there, {_value(ours, name)!r} now"
        for name in sorted(ours.keys() | theirs.keys())
        if _value(ours, name) != _value(theirs, name)
    ]
    if different:
        raise CannotResume(
            f"resume: {start.path} is of another configuration: {'; '.join(different)}. "
            "Set these as they were there, or start a new run without resume"
        )


def _value(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a setting; a missing one has the value of runs made before there was such a setting."""
    return settings.get(name, TABLE[name].before if name in TABLE else None)


def find_last_recorded(
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
    if not (folder / RUN).exists():
        return None  # not a folder of records, but one of agents alone, say
    return max((max(values, default=0) for values in read_metrics(folder).values()), default=0)

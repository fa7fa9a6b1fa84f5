"""Going on with a run: finding its checkpoint, and comparing it with the settings now."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpi_pgpe.base.regular_file import read_regular
from mpi_pgpe.base.state import digest
from mpi_pgpe.base.text import format_path, make_printable
from mpi_pgpe.runs.checkpoint import CheckpointError, Folder, generation_in
from mpi_pgpe.runs.run_folder import COMPLETED
from mpi_pgpe.runs.run_lock import RunLocks
from mpi_pgpe.runs.start import EARLIER, CannotResume, Start, earlier_defaults, load
from mpi_pgpe.training.general_defaults import is_general
from mpi_pgpe.training.settings import TABLE, Settings

_LARGEST_MARKER = 2**20  # bytes


def describe_completion(start: Start, settings: Settings) -> str | None:
    """What to say of a run that is complete, also by these settings; None if something is left to do."""
    result = start.content["trainer"]["result"]
    target = settings.target_return
    reached = start.generation >= settings.niters or not (target is None or result["best_re_eval"] < target)
    if not reached and settings.resume != "auto":
        return None
    marker = start.path.parent / COMPLETED
    try:
        end = json.loads(read_regular(marker, _LARGEST_MARKER))
        if end["state_digest"] != f"{digest(result):012x}":  # of another run with its checkpoints here
            return None
        if not reached and "stopped_by" not in end:
            return None
        mean = f"mean return {end['re_eval_mean']:.1f} " if "re_eval_mean" in end else ""
        longer = "With a larger niters" if reached else f"Its {end['stopped_by']} ended it; with resume={start.path}"
        return make_printable(
            f"complete already, as {format_path(marker)} says: {mean}after generation {end['generation']}, in "
            f"{end['folder']}. {longer} the run goes on"
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        print(
            make_printable(f"{format_path(marker)}: cannot be read, and is written anew: {error}"),
            file=sys.stderr,
            flush=True,
        )
        return None


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
    start = _find(settings, seed, list(folders), given)
    if start is None:
        return None
    start = replace(start, given=frozenset(given))
    _compare(start.apply_earlier_rules(settings), seed, start)
    return start


def find_and_hold(
    settings: Settings, seed: int | None, folders: Iterable[Path], given: Collection[str], locks: RunLocks
) -> Start | None:
    """`find_checkpoint`, and be the only program that goes on from there, or writes into `settings.checkpoint`.

    Raises:
        CannotResume: see `find_checkpoint`.
        InUse: another program does.
    """
    folders = list(folders)
    while True:
        before = _listing(settings, folders)
        start = find_checkpoint(settings, seed, folders, given)
        if start is not None:
            settings_there, seed = start.apply_earlier_rules(settings), start.seed
        else:
            settings_there = settings
        if seed is None:  # it is drawn, and no other program's
            return None
        places = [] if start is None else [start.path.parent]
        places += [] if settings.checkpoint is None else [Path(settings.checkpoint)]
        news = [locks.hold(folder, make_key(settings_there, seed)) for folder in places]
        if not any(news) or _listing(settings, folders) == before:
            return start  # else another program has gone on until just now


def _listing(settings: Settings, folders: Iterable[Path]) -> list[tuple[str, int, int, int]]:
    """The checkpoints that may be meant, and their versions."""
    given = settings.resume
    places = folders if given in (None, "auto") else [Path(str(given))]
    files = [file for place in places for file in (Folder(place, "*").files() if os.path.isdir(place) else [place])]
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:  # removed meanwhile
            continue
        found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return sorted(found)


def _find(settings: Settings, seed: int | None, folders: list[Path], given: Collection[str]) -> Start | None:
    if settings.resume is None:
        return None
    was = earlier_defaults(given) if is_general(settings.env_name, settings.function) else {}
    rules = [{}, was, EARLIER, EARLIER | was]
    keys = list(dict.fromkeys(make_key(_with(settings, each, given), seed) for each in rules))
    if settings.resume == "auto":
        return _newest(folders, keys)
    path = Path(settings.resume)
    if os.path.isdir(path):
        found = _newest([path], [*keys, "*"])
        if found is None:
            raise CannotResume(f"resume={path}: expected a checkpoint or a folder with some, found none there")
        return found
    try:
        return load(path)
    except CheckpointError as error:
        hint = "; its folder in place of it takes the newest good one" if os.path.exists(path) else ""
        raise CannotResume(f"resume: {error}{hint}") from None


def _with(settings: Settings, rules: Mapping[str, Any], given: Collection[str]) -> Settings:
    """`settings`, with the `rules` in place of what the user did not set."""
    return replace(settings, **{name: value for name, value in rules.items() if name not in given})


def _newest(folders: Iterable[Path], keys: Iterable[str]) -> Start | None:
    """The good checkpoint of the latest generation in the folders, with the first of `keys` that any has.

    Says which later ones are damaged.
    """
    for each in keys:
        files = [path for folder in folders for path in Folder(folder, each).files()]
        if files:
            return _latest(files)
    return None


def _latest(files: list[Path]) -> Start:
    complaint = None
    latest_first = sorted(files, key=generation_in, reverse=True)
    for _, paths in itertools.groupby(latest_first, key=generation_in):
        best: tuple[int, int] | None = None
        for path in paths:
            try:
                start = load(path)
            except CheckpointError as error:
                complaint = error
                print(f"{make_printable(str(error))}; trying the one before it", file=sys.stderr, flush=True)
                continue
            # Of those that went on from the same one, that which knows of most records.
            rank = len(start.runs), path.stat().st_mtime_ns if path.exists() else 0
            if best is None or rank > best:
                best, found = rank, start
        if best is not None:
            return found
    raise CannotResume(f"resume: no checkpoint can be read; the oldest: {complaint}")


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
            f"resume: {format_path(start.path)} is of another configuration: {'; '.join(different)}. "
            "Set these as they were there, or start a new run without resume"
        )


def _value(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a setting; a missing one has the value of runs made before there was such a setting."""
    return settings.get(name, TABLE[name].before if name in TABLE else None)

"""Which generations the records of a run hold, as far as they can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_pgpe.base.text import make_printable
from mpi_pgpe.runs.checksums import damage
from mpi_pgpe.runs.dead_runs import mark_what_is_dead
from mpi_pgpe.runs.run_folder import METRIC_LINES, METRICS, RUN, STEP, DamagedRecord, complete_lines, read_json

_MOST_NAMED = 5  # damaged lines that a message names


@dataclass
class RecordedGenerations:
    """Generations that are recorded: all up to `until`, and `steps`."""

    until: int = 0
    steps: set[int] = field(default_factory=set)

    def __contains__(self, generation: int) -> bool:
        return generation <= self.until or generation in self.steps


def find_recorded(
    runs: Iterable[Mapping[str, Any]],
    generation: int,
    elsewhere: Callable[[Mapping[str, Any]], int | None],
    tell: Callable[[str], None],
) -> RecordedGenerations:
    """The generations that the records of `runs` hold.

    What cannot be read of a record counts as missing, so that it is recorded again.

    Args:
        runs: as the checkpoint names them, oldest first.
        generation: that of the checkpoint: what is recorded if there is no record at all.
        elsewhere: the last generation of a run whose folder is gone, if a database has it.
        tell: what is damaged.
    """
    found, some_gone = RecordedGenerations(), False
    for run in runs:
        folder = Path(run["folder"])
        if mark_what_is_dead(folder):
            tell(make_printable(f"{folder}: its program had ended without a word; the record is marked as DEAD"))
        steps = _steps(folder, tell)
        if steps is not None:
            found.steps |= steps
        elif (last := elsewhere(run)) is not None:
            found.until = max(found.until, last)
        else:
            some_gone = True
    if some_gone:  # with what was recorded there, and is not wanted any more
        found.until = max(found.until, min(found.steps) - 1 if found.steps else found.until or generation)
    return found


def _steps(folder: Path, tell: Callable[[str], None]) -> set[int] | None:
    """The generations in a record; None if there is no record: a folder of agents alone, say."""
    path = folder / METRIC_LINES
    steps, damaged = set(), []
    try:
        if not read_json(folder / RUN):
            return None
        if not path.exists():  # of plain sacred
            return set(map(int, read_json(folder / METRICS).get("generation", {}).get("steps", [])))
        for number, (line, _) in enumerate(complete_lines(path), 1):
            step = _step(line)
            if step is None:
                damaged.append(number)
            else:
                steps.add(step)
    except (OSError, DamagedRecord, ValueError, TypeError, AttributeError) as error:
        tell(make_printable(f"{error}; what cannot be read there is recorded again"))
        return steps if steps or damaged else _none_of(folder)
    if not damaged:
        for complaint in damage(folder, [METRIC_LINES]):
            tell(make_printable(f"{complaint}; its lines can be read, and count as recorded"))
    if damaged:
        named = ", ".join(map(str, damaged[:_MOST_NAMED])) + (", ..." if len(damaged) > _MOST_NAMED else "")
        tell(make_printable(f"{path}: damaged in line {named}; what was there is recorded again in this run"))
    return steps


def _none_of(folder: Path) -> set[int] | None:
    """That nothing of a record can be read, or that there is none."""
    return set() if (folder / RUN).exists() else None


def _step(line: bytes) -> int | None:
    """The generation of a line, which says it twice; None if the line is damaged."""
    try:
        content = json.loads(line)
        step = content[STEP]
        return step if type(step) is int and content["generation"] == step else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None

"""Recorded runs at a glance: what each has come to, read from a folder of results or from a database."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.regular_file import read_regular
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.dead_runs import DEAD, DEAD_IN_DATABASE, RUNNING, has_died, is_silent
from mpi_pgpe.runs.run_folder import CONFIG, LARGEST_METRICS, METRIC_LINES, RUN, DamagedRecord

_RE_EVAL = re.compile(rb'"re_eval_mean": ([^,}\s]+)')
_GENERATION = re.compile(rb'"generation": (\d{1,15})\b')
_END = 2**16  # bytes of metrics that hold the last line, but for one with a history of its own


@dataclass
class Summary:
    """A run at a glance.

    Attributes:
        run: its folder, or its number in the database.
        status: as sacred has it; DEAD if the record says RUNNING and the program is gone.
        env_name: of its environment, or function.
        generation: the last one that is recorded.
        niters: generations that it is to have; None if the record does not say.
        best: the best mean return of its re-evaluations so far; None before the first.
        started: when, in UTC without a time zone; None if the record does not say.
        heartbeat: when it last gave a sign of life, likewise.
        host: where it runs or ran.
        config: its settings.
        damage: what of its record cannot be read.
    """

    run: str
    status: str = "?"
    env_name: str = "?"
    generation: int = 0
    niters: int | None = None
    best: float | None = None
    started: datetime | None = None
    heartbeat: datetime | None = None
    host: str = "?"
    config: Mapping[str, Any] = field(default_factory=dict)
    damage: str | None = None

    @property
    def age(self) -> float | None:
        """Seconds since it was started."""
        return None if self.started is None else max(0.0, (_now() - self.started).total_seconds())


def summarize_folders(folder: Path) -> list[Summary]:
    """The run in a folder, or those in the folders below it, in the order of their names; links are not followed.

    Raises:
        WrongInput: there is none.
    """
    if os.path.lexists(folder / RUN):
        return [_summarize_folder(folder)]
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise WrongInput(f"{folder}: expected a folder of recorded runs, such as results: {error.strerror}") from None
    found = [folder / name for name in sorted(inside, key=lambda name: (len(name), name))]
    runs = [_summarize_folder(path) for path in found if os.path.lexists(path / RUN)]
    if not runs:
        raise WrongInput(f"{folder}: expected a folder of recorded runs, such as results; no folder in it has {RUN}")
    return runs


def _summarize_folder(folder: Path) -> Summary:
    summary = Summary(str(folder))
    with _noting_damage(summary):
        entry = run_folder.read_json(folder / RUN)
        _describe(summary, entry, run_folder.read_json(folder / CONFIG))
        if summary.status == RUNNING and has_died(folder):
            summary.status = DEAD
        if os.path.lexists(folder / METRIC_LINES):
            content = read_regular(folder / METRIC_LINES, LARGEST_METRICS, follow=False)
            _take_metrics(summary, content)
    return summary


def _take_metrics(summary: Summary, content: bytes) -> None:
    """The last generation and the best re-evaluation: without a look at the other metrics, of which there are many."""
    last = _GENERATION.findall(content[-_END:]) or _GENERATION.findall(content)
    summary.generation = int(last[-1]) if last else 0
    summary.best = _find_best(float(value) for value in map(bytes.decode, _RE_EVAL.findall(content)) if value != "null")


def _find_best(values: Iterable[float]) -> float | None:
    return max((value for value in values if not math.isnan(value)), default=None)


def summarize_documents(database: Any) -> list[Summary]:
    """The runs of a database, by pymongo, in the order of their numbers.

    Raises:
        pymongo.errors.PyMongoError: the database refuses it.
    """
    wanted = dict.fromkeys(("status", "config", "start_time", "heartbeat", "host", "meta"), 1)
    runs = list(database.runs.find({}, wanted))
    ends, returns = (
        {document["run_id"]: document for document in database.metrics.find({"name": name}, part)}
        for name, part in (("generation", {"steps": {"$slice": -1}, "run_id": 1}), ("re_eval_mean", None))
    )
    summaries = []
    for run in sorted(runs, key=lambda run: (isinstance(run["_id"], str), str(run["_id"]).zfill(20))):
        summary = Summary(str(run["_id"]))
        with _noting_damage(summary):
            _describe(summary, run, run.get("config"))
            silent = summary.status == RUNNING and is_silent(run, f"run {run['_id']}")
            if silent or summary.status == DEAD_IN_DATABASE:
                summary.status = DEAD
            summary.generation = int((ends.get(run["_id"], {}).get("steps") or [0])[-1])
            values = returns.get(run["_id"], {}).get("values", ())
            summary.best = _find_best(float(value) for value in values if value is not None)
        summaries.append(summary)
    return summaries


def _describe(summary: Summary, entry: Mapping[str, Any], config: Any) -> None:
    summary.status = str(entry.get("status"))
    summary.started, summary.heartbeat = (_read_time(entry.get(name)) for name in ("start_time", "heartbeat"))
    host = entry.get("host")
    summary.host = str(host.get("hostname", "?")) if isinstance(host, Mapping) else "?"
    summary.config = config if isinstance(config, Mapping) else {}
    summary.env_name = str(summary.config.get("function") or summary.config.get("env_name", "?"))
    niters = summary.config.get("niters")
    summary.niters = niters if type(niters) is int else None


def _read_time(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else None


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


@contextlib.contextmanager
def _noting_damage(summary: Summary) -> Iterator[None]:
    """One damaged record among many is told with it, and hides no other."""
    try:
        yield
    except DamagedRecord as error:
        summary.damage = str(error)
    except OSError as error:
        summary.damage = f"{error.filename or summary.run}: cannot be read: {error.strerror}"
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        summary.damage = f"{summary.run}: is damaged: {type(error).__name__}: {error}"

"""Records that belong together: of a run that was resumed, and of runs that differ in their seeds alone."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace

from mpi_pgpe.runs.reader import RecordedRun
from mpi_pgpe.training.settings import TABLE


@dataclass
class Group:
    """Runs of one configuration, but for the seed."""

    title: str
    runs: list[RecordedRun]


_NOT_COMPARED = {"seed", "notes", *(name for name, each in TABLE.items() if each.resume == "not of the run")}


_MAY_CHANGE = {name for name, each in TABLE.items() if each.resume != "same"}  # when a run is resumed


def _config(run: RecordedRun, but: Collection[str] = _NOT_COMPARED) -> str:
    config = {key: value for key, value in run.config.items() if key not in but}
    return json.dumps(config, sort_keys=True, default=str)


def gather_records(runs: list[RecordedRun]) -> list[list[RecordedRun]]:
    """The records of each run: its first one, and those that go on with it, with the settings that a resume keeps."""
    found: list[list[RecordedRun]] = []
    for run in runs:
        config = _config(run, _MAY_CHANGE)
        same = [i for i, (other, *_) in enumerate(found) if _config(other, _MAY_CHANGE) == config]
        if run.generations[0] == 1 or not same:
            found.append([run])
        else:
            found[same[-1]].append(run)
    return found


def join_records(records: list[RecordedRun]) -> RecordedRun:
    """One run of several records: the first one, with what the others add to it, and the status of the last."""
    whole = records[0]
    for run in records[1:]:
        metrics = {name: whole.metrics.get(name, {}) | values for name, values in run.metrics.items()}
        times = whole.times | run.times
        whole = replace(whole, metrics=whole.metrics | metrics, times=times, status=run.status)
    return whole


def join_runs(runs: list[RecordedRun]) -> list[RecordedRun]:
    """The runs, each with the records that go on with it."""
    return [join_records(records) for records in gather_records(runs)]


def group_runs(runs: list[RecordedRun]) -> list[Group]:
    """The runs, gathered by configuration; titles tell the configurations apart."""
    by_config: dict[str, list[RecordedRun]] = {}
    for run in join_runs(runs):
        by_config.setdefault(_config(run), []).append(run)
    configs = [members[0].config for members in by_config.values()]
    differing = [
        key
        for key in sorted(set().union(*configs) - _NOT_COMPARED - {"env_name"})
        if len({json.dumps(config.get(key), default=str) for config in configs}) > 1
    ]
    found = []
    for members in by_config.values():
        config = members[0].config
        parts = [
            str(config.get("function") or config.get("env_name", members[0].name)),
            *(f"{key}={config.get(key)}" for key in differing[:3]),
        ]
        seeds = [str(run.config.get("seed")) for run in members]
        parts.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds")
        found.append(Group(", ".join(parts), members))
    return found

"""What was exported, read back by the tools' own readers; and a record to export, as long as wanted."""

from __future__ import annotations

import csv
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Points = dict[str, list[tuple[int, float]]]
"""(step, value) by name, in the order in which they stand there."""


def lengthen(run: Path, copy: Path, generations: int) -> Path:
    """Copy a real record, and repeat its lines until it has so many generations."""
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("checksums.json", "metrics.json"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    per = lines[0]["timesteps"]
    with open(copy / "metrics.jsonl", "w") as file:
        for generation in range(1, generations + 1):
            line = lines[generation % len(lines)] | {"step": generation, "generation": generation}
            file.write(json.dumps(line | {"timesteps": per * generation}) + "\n")
    return copy


def recorded(run: Path) -> list[dict[str, Any]]:
    """The lines of a record."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def expected(*runs: Path) -> Points:
    """The points that a tool with one axis is to have of the records of one run, from their lines."""
    points: Points = {}
    for line in (line for run in runs for line in recorded(run)):
        for name, value in line.items():
            if name not in ("step", "timestamp", "generation", "state_digest"):
                points.setdefault(f"by_generation/{name}", []).append((line["step"], value))
                if name != "timesteps":
                    points.setdefault(f"by_interactions/{name}", []).append((line["timesteps"], value))
    return points


def read_event_files(folder: Path) -> tuple[Points, dict[str, Any]]:
    """(scalars, settings) as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    content = accumulator.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    settings = metadata.parse_session_start_info_plugin_data(content).hparams
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in settings.items()}
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in tags}, values


def read_mlflow(folder: Path) -> list[Any]:
    """The runs as MLflow's client finds them; each has its points as `points`, its artifacts' names as `agents`."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.absolute()}/mlflow.db")
    runs = list(client.search_runs([client.get_experiment_by_name("mpi_pgpe").experiment_id]))
    for run in runs:
        found = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        run.points = {name: [(metric.step, metric.value) for metric in metrics] for name, metrics in found.items()}
        run.agents = [Path(file.path).name for file in client.list_artifacts(run.info.run_id, "agents")]
    return runs


def read_wandb(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any], list[str], int | None]:
    """(rows, settings, artifacts, exit code) of the one folder of wandb in `folder`."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    rows, settings, agents, code = [], {}, [], None
    for data in _records(path.read_bytes()):
        record = Record.FromString(data)
        if record.HasField("history"):
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item})
        elif record.HasField("run"):
            settings |= {update.key: json.loads(update.value_json) for update in record.run.config.update}
        elif record.HasField("artifact"):
            agents += [entry.path for entry in record.artifact.manifest.contents]
        elif record.HasField("exit"):
            code = record.exit.exit_code
    return rows, settings, sorted(agents), code


def _records(data: bytes) -> Iterator[bytes]:
    """The records of LevelDB's log format, after wandb's header of 7 bytes; wandb itself has no reader in Python."""
    assert data[:4] == b":W&B"
    place, parts = 7, b""
    while place + 7 <= len(data):
        left = 2**15 - place % 2**15
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts = (b"" if kind in (1, 2) else parts) + data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts


def read_table(path: Path) -> list[dict[str, str]]:
    """The lines of a table."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))

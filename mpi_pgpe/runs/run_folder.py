"""The files of a run's folder: each of them is readable at any moment, after a kill -9 too."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from mpi_pgpe.agents import file as agent_file
from mpi_pgpe.base.atomic_file import write_atomically

RUN, CONFIG, INFO = "run.json", "config.json", "info.json"
METRICS, METRIC_LINES = "metrics.json", "metrics.jsonl"
OUTPUT = "cout.txt"
COMPLETED = "completed.json"  # beside the checkpoints when, and only when, the run is complete
LOCK = ".lock"
BEST_AGENT = agent_file.BEST_AGENT
MONGO = "mongo.json"  # where in MongoDB the run is, or shall be
STEP, TIMESTAMP = "step", "timestamp"  # what a line of METRIC_LINES holds beside the metrics


def to_json_types(value: Any) -> Any:
    """For json: numpy's scalars and arrays as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected numbers, texts, lists and dictionaries, got {type(value).__name__}: {value!r:.100}")


def write_json(path: Path, content: Any) -> None:
    """Replace a file of JSON by one rename."""
    write_atomically(path, json.dumps(content, sort_keys=True, indent=2, default=to_json_types).encode())


def read_json(path: Path) -> dict[str, Any]:
    """What a file of JSON holds; {} if there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}


class Appended:
    """A file that only grows; what a full disk refuses waits in memory for the next `append`."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by `close`)
        self._size = os.fstat(self._file.fileno()).st_size
        self._waiting: list[bytes] = []

    def append(self, content: bytes) -> None:
        """Write `content`, and what waits, to the end of the file, all of it or nothing.

        Raises:
            OSError: it cannot be written now; it will be, with the next one.
        """
        self._waiting.append(content)
        block = b"".join(self._waiting)
        try:
            written = 0
            while written < len(block):
                written += self._file.write(block[written:])
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(block)
        self._waiting.clear()

    def finish(self) -> None:
        """Write what waits, make sure that the disk has all of it, and close the file.

        Raises:
            OSError: it cannot be written.
        """
        if not self._file.closed:
            self.append(b"")
            os.fsync(self._file.fileno())
            self._file.close()


def read_metric_lines(path: Path, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """(line, offset of its end) for each complete line of a file of METRIC_LINES from `offset` on."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):  # being written, or cut off by a kill -9
                return
            offset += len(line)
            yield json.loads(line), offset


def write_metrics(folder: Path) -> None:
    """Make sacred's metrics.json from the lines: by name the values, steps and timestamps."""
    columns: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}
    for line, _ in read_metric_lines(folder / METRIC_LINES):
        step, timestamp = line.pop(STEP), line.pop(TIMESTAMP)
        for name, value in line.items():
            for column, entry in zip(columns.setdefault(name, ([], [], [])), (step, timestamp, value), strict=True):
                column.append(entry)
    # Piece by piece: one call for all would stop the training's thread for seconds after 100,000 generations.
    metrics = []
    for name in sorted(columns):
        encoded = [json.dumps(column) for column in columns.pop(name)]
        fields = ",\n    ".join(
            f'"{key}": {column}' for key, column in zip(("steps", "timestamps", "values"), encoded, strict=True)
        )
        metrics.append(f"  {json.dumps(name)}: {{\n    {fields}\n  }}")
    write_atomically(folder / METRICS, ("{\n" + ",\n".join(metrics) + "\n}\n").encode())


def lock_folder(folder: Path) -> IO[bytes] | None:
    """Hold the folder as its only writer, until the file is closed or the process ends; None if another holds it."""
    file = open(folder / LOCK, "ab")  # noqa: SIM115 (closed by the holder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # a file system without locks: the heartbeat has to tell
        pass
    return file

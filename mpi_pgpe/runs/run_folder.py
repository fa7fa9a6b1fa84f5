"""The files of a run's folder: each of them is readable at any moment, after a kill -9 too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from mpi_pgpe.agents import file as agent_file
from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.file_lock import FileLock, try_lock
from mpi_pgpe.base.regular_file import open_regular, read_regular

RUN, CONFIG, INFO = "run.json", "config.json", "info.json"
METRICS, METRIC_LINES = "metrics.json", "metrics.jsonl"
OUTPUT = "cout.txt"
COMPLETED = "completed.json"  # beside the checkpoints when, and only when, the run is complete
CHECKSUMS = "checksums.json"  # of the others, once the run is over
LOCK = ".lock"
BEST_AGENT = agent_file.BEST_AGENT
BEST_SOLUTION = "best_solution.pickle"
SOURCES = "_sources"  # beside the folders of runs
MONGO = "mongo.json"  # where in MongoDB the run is, or shall be
STEP, TIMESTAMP = "step", "timestamp"  # what a line of METRIC_LINES holds beside the metrics

LARGEST_JSON = 2**24  # bytes of a file that describes a run; MongoDB takes no larger document
LARGEST_METRICS = 2**31
_LONGEST_LINE = 2**20
_DEEPEST = 100  # containers within containers


class DamagedRecord(WrongInput):
    """A file of a run's folder cannot be read, or does not hold what it should."""


def to_json_types(value: Any) -> Any:
    """For json: numpy's scalars and arrays as Python's.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected numbers, texts, lists and dictionaries, got {type(value).__name__}: {value!r:.100}")


def write_json(path: Path, content: Any) -> None:
    """Replace a file of JSON by one rename."""
    write_atomically(path, json.dumps(content, sort_keys=True, indent=2, default=to_json_types).encode())


def read_json(path: Path, largest: int = LARGEST_JSON) -> dict[str, Any]:
    """What a file of JSON holds; {} if there is none. Links are not followed, and nothing is waited for.

    Raises:
        DamagedRecord: it cannot be read, is too large, or holds something else than one object of JSON.
    """
    try:
        content = json.loads(read_regular(path, largest, follow=False))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DamagedRecord(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # of bytes that are no text, or text that is no JSON
        raise DamagedRecord(f"{path}: is damaged: {error or type(error).__name__}") from None
    if not isinstance(content, dict):
        raise DamagedRecord(f"{path}: is damaged: expected an object of JSON, got {type(content).__name__}")
    if _is_deep(content):
        raise DamagedRecord(f"{path}: is damaged: expected at most {_DEEPEST} containers within each other")
    return content


def read_entry(folder: Path) -> dict[str, Any]:
    """What RUN says of a run, with all that every record of this program has.

    Raises:
        DamagedRecord: it lacks something, or names files that are not the record's own.
    """
    entry = read_json(folder / RUN)
    experiment: Any = entry.get("experiment")
    pairs = [*_list(entry.get("resources"))]
    is_good = (
        all(isinstance(entry.get(name), str) for name in ("uid", "status", "start_time"))
        and all(isinstance(entry.get(name), dict) for name in ("experiment", "host", "meta"))
        and all(isinstance(entry.get(name), list) for name in ("artifacts", "resources"))
        and isinstance(experiment.get("base_dir"), str)
        and isinstance(entry.get("heartbeat"), str | None)
        and isinstance(entry.get("info", {}), dict)
    )
    if is_good:
        pairs += _list(experiment.get("sources"))
        is_good = all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in pairs)
    if not is_good:
        raise DamagedRecord(f"{folder / RUN}: expected what this program records of a run; it is damaged, or another's")
    strange = [name for name in entry["artifacts"] if not is_own_name(name)]
    for _, stored in _list(experiment.get("sources")):
        above, slash, name = stored.partition("/")
        if (above, slash) != (SOURCES, "/") or not is_own_name(name):
            strange.append(stored)
    if strange:
        raise DamagedRecord(f"{folder / RUN}: expected names of files in the record, got {strange[0]!r:.100}")
    return entry


def end_info(folder: Path, entry: dict[str, Any]) -> None:
    """Give a run that has ended its INFO, from the entry that held it until then.

    sacredboard fails over a run that goes on and has one, incense over one that has ended and has none.

    Raises:
        OSError: it cannot be written.
    """
    info = entry.get("info")
    if info is not None or not os.path.lexists(folder / INFO):
        write_json(folder / INFO, info or {})
    entry.pop("info", None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def is_own_name(name: Any) -> bool:
    """Whether it is the name of a file in a folder, and no path to elsewhere."""
    return isinstance(name, str) and name not in {"", ".", ".."} and not set(name) & {"/", "\0"}


def _is_deep(content: Any) -> bool:
    """Whether a recursion into `content` may be too deep for Python."""
    level = [content]
    for _ in range(_DEEPEST):
        items = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
        level = [item for item in items if isinstance(item, dict | list)]
    return bool(level)


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


def complete_lines(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """(line, offset of its end) for each complete line of a file of METRIC_LINES from `offset` on.

    Raises:
        DamagedRecord: a line is too long to be one.
        OSError: it cannot be read.
    """
    with open_regular(path, LARGEST_METRICS, follow=False) as file:
        file.seek(offset)
        while line := file.readline(_LONGEST_LINE):
            offset += len(line)
            if not line.endswith(b"\n"):  # being written, or cut off by a kill -9
                if len(line) == _LONGEST_LINE:
                    raise DamagedRecord(f"{path}: is damaged: expected lines of less than {_LONGEST_LINE} bytes")
                return
            yield line, offset


def read_metric_lines(path: Path, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """(what a line says, offset of its end) for each complete line of a file of METRIC_LINES from `offset` on.

    Raises:
        DamagedRecord: a line does not say it.
        OSError: it cannot be read; a file that is missing has no lines.
    """
    if not os.path.lexists(path):
        return
    for line, end in complete_lines(path, offset):
        try:
            content = json.loads(line)
            if not isinstance(content, dict) or type(content[STEP]) is not int or type(content[TIMESTAMP]) is not str:
                raise ValueError(f"expected {STEP}, {TIMESTAMP} and metrics, got {line!r:.100}")
        except (ValueError, LookupError, RecursionError) as error:
            raise DamagedRecord(
                f"{path}: is damaged: the line that ends at byte {end}: {type(error).__name__}: {error}"
            ) from None
        yield content, end


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


def lock_folder(folder: Path) -> FileLock | None:
    """Hold the folder as its only writer, until the lock is closed or the process ends; None if another holds it.

    On a file system without locks the heartbeat has to tell.

    Raises:
        OSError: the folder cannot be written to, or a link is in the place of the lock.
    """
    return try_lock(folder / LOCK)

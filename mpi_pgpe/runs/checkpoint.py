"""The state of a run on disk, whole or not at all, and back.

A checkpoint is a .npz file (a zip archive with a checksum for each member) of numpy arrays and of one
JSON text, the member `json`, that holds everything else and says where the arrays belong. It is read
without pickle, so reading one runs no code that the file brings.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.state import State

FORMAT = "mpi_pgpe checkpoint"
VERSION = 1
KEPT = 2
"""Newest checkpoints of a run that are kept: should the last one be damaged, there is one before it."""


class CheckpointError(WrongInput):
    """The file is missing, damaged or not a checkpoint of this program."""


def pack(state: Mapping[str, Any]) -> bytes:
    """The content of a checkpoint file."""
    arrays: dict[str, Any] = {}

    def without_arrays(value: Any, path: str) -> Any:
        if isinstance(value, np.ndarray):
            arrays[path] = value
            return {"array": path}
        if isinstance(value, Mapping):
            return {key: without_arrays(item, f"{path}/{key}" if path else key) for key, item in value.items()}
        return value

    text = json.dumps({"format": FORMAT, "version": VERSION, "state": without_arrays(state, "")})
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(text.encode(), np.uint8), **arrays)
    return buffer.getvalue()


def read(path: str | os.PathLike[str]) -> State:
    """The state in a checkpoint file.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint that this version reads.
    """
    try:
        with np.load(path, allow_pickle=False) as members:
            content = json.loads(members["json"].tobytes())
            if content["format"] != FORMAT or content["version"] != VERSION:
                raise CheckpointError(
                    f"{path}: expected {FORMAT!r} of version {VERSION}, got {content['format']!r} of version "
                    f"{content['version']!r}; another version of mpi_pgpe may read it"
                )

            def with_arrays(value: Any) -> Any:
                if not isinstance(value, dict):
                    return value
                if value.keys() == {"array"}:
                    return members[value["array"]]
                return {key: with_arrays(item) for key, item in value.items()}

            return with_arrays(content["state"])
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged archive can raise almost anything
        raise CheckpointError(
            f"{path}: expected a checkpoint, but the file is damaged, truncated or of another kind "
            f"({type(error).__name__}: {error})"
        ) from None


class Folder:
    """The checkpoints of one configuration in a folder; others may have theirs beside them.

    Args:
        path: of the folder; made when the first checkpoint is written.
        key: names the configuration in the files' names; "*" finds those of any.
    """

    def __init__(self, path: str | os.PathLike[str], key: str) -> None:
        self.path = Path(path)
        self.key = key

    def write(self, generation: int, state: Mapping[str, Any]) -> Path:
        """Put a checkpoint in place, and remove those that are older than the last KEPT; returns its path.

        Raises:
            OSError: it could not be written; what was there before is as it was.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for aside in self.path.glob(f".checkpoint-{self.key}-*"):  # of a run that was killed while it wrote
            aside.unlink(missing_ok=True)
        path = self.path / f"checkpoint-{self.key}-{generation:07d}.npz"
        write_atomically(path, pack(state))
        _sync_folder(self.path)
        for old in self.files()[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def files(self) -> list[Path]:
        """The checkpoint files, newest first."""
        times = []
        for path in self.path.glob(f"checkpoint-{self.key}-*.npz"):
            try:
                times.append((path.stat().st_mtime_ns, path.name, path))
            except OSError:  # removed meanwhile
                continue
        return [path for *_, path in sorted(times, reverse=True)]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Schedule:
    """When the next checkpoint is due.

    Args:
        interval: a checkpoint at every so many generations,
        seconds: unless the last one is younger.
    """

    def __init__(self, interval: int, seconds: float) -> None:
        self._interval, self._seconds = interval, seconds
        self._last = -np.inf

    def due(self, generation: int) -> bool:
        """Whether to write one after this generation."""
        return generation % self._interval == 0 and time.monotonic() - self._last >= self._seconds

    def written(self) -> None:
        """One was written, or failed to be, just now."""
        self._last = time.monotonic()

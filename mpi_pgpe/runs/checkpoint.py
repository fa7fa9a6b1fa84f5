"""The state of a run on disk, whole or not at all, and back.

A checkpoint is a .npz file (a zip archive with a checksum for each member) of numpy arrays and of one
JSON text, the member `json`, that holds everything else, says where the arrays belong, and has the digest of
all of it. It is read without pickle, so reading one runs no code that the file brings; and nothing is unpacked
before its size is known to be within that of the file.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.regular_file import open_regular
from mpi_pgpe.base.state import State, digest
from mpi_pgpe.base.text import format_path

FORMAT = "mpi_pgpe checkpoint"
VERSION = 1
KEPT = 2
"""Newest checkpoints of a run that are kept: should the last one be damaged, there is one before it."""
_LARGEST_FILE = 2**33  # bytes; far beyond any policy that fits this program
_MEMBER = ".npy"  # follows the name of an array in the archive
_NUMBERS = "biufc"  # kinds of dtypes


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

    content = {"format": FORMAT, "version": VERSION, "digest": _digest(state), "state": without_arrays(state, "")}
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(json.dumps(content).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def _digest(state: Mapping[str, Any]) -> str:
    return f"{digest(state):012x}"


def read(path: str | os.PathLike[str]) -> State:
    """The state in a checkpoint file.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint that this version reads.
    """
    try:
        with open_regular(path, _LARGEST_FILE) as file, zipfile.ZipFile(file) as archive:
            _check_sizes(archive, os.fstat(file.fileno()).st_size)
            arrays = {info.filename.removesuffix(_MEMBER): _array(archive, info) for info in archive.infolist()}
        return _state(json.loads(arrays.pop("json").tobytes()), arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{format_path(path)}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{format_path(path)}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged archive can raise almost anything
        raise CheckpointError(
            f"{format_path(path)}: expected a checkpoint, but the file is damaged, truncated or of another kind "
            f"({type(error).__name__}: {error})"
        ) from None


def _check_sizes(archive: zipfile.ZipFile, most: int) -> None:
    """Refuse an archive that would unpack into more than itself: nothing that this program writes is compressed."""
    infos = archive.infolist()
    if len({info.filename for info in infos}) < len(infos):
        raise ValueError("two members of one name")
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
        raise ValueError("a compressed member")
    if sum(info.file_size for info in infos) > most:
        raise ValueError("members that are larger than the file")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    """A member, read whole, so that its checksum is compared."""
    content = archive.read(info)
    header = io.BytesIO(content)
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError("an array of another format than that of numpy's savez")
    shape, column_order, dtype = np.lib.format.read_array_header_1_0(header)
    # In Python's integers: a product of numpy's could overflow.
    if dtype.kind not in _NUMBERS or len(content) - header.tell() != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array whose header does not fit it: {info.filename}")
    numbers = np.frombuffer(content, dtype, offset=header.tell())
    return numbers.reshape(shape, order="F" if column_order else "C").copy()


def _state(content: Any, arrays: dict[str, Any]) -> State:
    """The state, from the JSON and the arrays that belong into it, each in one place."""
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise CheckpointError(
            f"expected {FORMAT!r} of version {VERSION}, got {content['format']!r} of version "
            f"{content['version']!r}; another version of mpi_pgpe may read it"
        )

    def with_arrays(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.keys() == {"array"}:
            return arrays.pop(value["array"])
        return {key: with_arrays(item) for key, item in value.items()}

    state: State = with_arrays(content["state"])
    if arrays:
        raise ValueError("an array that belongs nowhere")
    if "digest" in content and content["digest"] != _digest(state):  # 0.1.0 wrote none
        raise ValueError("the digest in it is not that of its state")
    return state


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
        """Put a checkpoint in place, and remove earlier ones but for the last KEPT; returns its path.

        Raises:
            OSError: it could not be written; what was there before is as it was.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for aside in self.path.glob(f".checkpoint-{self.key}-*"):  # of a run that was killed while it wrote
            aside.unlink(missing_ok=True)
        path = self.path / f"checkpoint-{self.key}-{generation:07d}.npz"
        write_atomically(path, pack(state))
        _sync_folder(self.path)
        # Later generations, of a run that was set back, are left alone: this run comes to them, or never needs them.
        earlier = [other for other in self.files() if generation_in(other) <= generation]
        for old in earlier[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def files(self) -> list[Path]:
        """The checkpoint files, that of the latest generation first; the clock may have been set back meanwhile."""
        return sorted(self.path.glob(f"checkpoint-{self.key}-*.npz"), key=lambda path: (-generation_in(path), path))


_GENERATION = re.compile(r"-([0-9]{1,18})\.npz\Z")


def generation_in(path: Path) -> int:
    """The generation that the name of a checkpoint file says; -1 if it says none."""
    found = _GENERATION.search(path.name)
    return int(found[1]) if found else -1


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

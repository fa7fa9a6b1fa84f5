"""The saved agent: a pickle of plain data, written atomically and read without running anything.

Arrays are stored as (dtype, shape, bytes), so that the pickle holds built-in types alone: its reader
needs no class at all and refuses any that a file names, and the file does not depend on the versions of
numpy or Python.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.moments import Moments
from mpi_pgpe.policies import ActionSpace, PolicyShape

FORMAT = "mpi_pgpe agent"
VERSION = 1
_LARGEST_FILE = 2**30  # bytes; far beyond any policy that fits this program


class AgentFileError(ValueError):
    """The file is missing, damaged or not a saved agent of this program."""


@dataclass
class Agent:
    """A policy with all that is needed to use, judge and reproduce it.

    Attributes:
        parameters: float32 of shape (shape.num_parameters,).
        moments: of the observations in training, or None without observation normalization.
        metadata: plain data: env_name, env_config, notes, generation, ...
    """

    parameters: NDArray[np.float32]
    shape: PolicyShape
    action_space: ActionSpace
    moments: Moments | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def write_agent(path: str | os.PathLike[str], agent: Agent) -> None:
    """Write `agent` to `path`: all of it or nothing, even if the machine fails meanwhile.

    Raises:
        ValueError: the metadata is not plain data, so that it could not be read again.
    """
    space, moments = agent.action_space, agent.moments
    content = pickle.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "parameters": _pack(agent.parameters),
            "observation_size": agent.shape.observation_size,
            "action_size": agent.shape.action_size,
            "hidden": list(agent.shape.hidden),
            "action_low": None if space.low is None else _pack(space.low),
            "action_high": None if space.high is None else _pack(space.high),
            "action_start": space.start,
            "moments": None
            if moments is None
            else {"count": moments.count, "sum": _pack(moments.sum), "sumsq": _pack(moments.sumsq)},
            "metadata": agent.metadata,
        },
        protocol=4,
    )
    try:
        _plain_data(content)
    except AgentFileError as error:
        raise ValueError("metadata: expected plain data: numbers, text, lists, dictionaries") from error
    write_atomically(path, content)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put a file in place with one rename, so that nobody ever sees it half written."""
    path = Path(path)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_agent(path: str | os.PathLike[str]) -> Agent:
    """Read a saved agent; runs no code that the file brings.

    Raises:
        AgentFileError: the file is missing, damaged, or not a saved agent.
    """
    try:
        if os.path.getsize(path) > _LARGEST_FILE:
            raise AgentFileError(f"{path}: expected a saved agent, got a file of over {_LARGEST_FILE} bytes")
        data = _plain_data(Path(path).read_bytes())
    except OSError as error:
        raise AgentFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except AgentFileError as error:
        raise AgentFileError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        raise AgentFileError(
            f"{path}: expected a saved agent, but the file is damaged, truncated or of another kind "
            f"({type(error).__name__}: {error})"
        ) from None
    try:
        return _agent(data)
    except AgentFileError as error:
        raise AgentFileError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AgentFileError(f"{path}: expected a saved agent, but {error!r} is missing or odd") from None


def _plain_data(content: bytes) -> Any:
    for opcode, argument, _ in pickletools.genops(content):
        # A damaged number of a memo's entry would have the unpickler make gigabytes of room for it.
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(content):
            raise AgentFileError("expected a saved agent, but the file is damaged")
    return _PlainUnpickler(io.BytesIO(content)).load()


class _PlainUnpickler(pickle.Unpickler):
    """Rebuilds built-in containers, numbers, strings and bytes, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        raise AgentFileError(
            f"refused: the file asks for {module}.{name}, but a saved agent holds plain data only; "
            "it was not written by this program, and nothing of it was run"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise AgentFileError("refused: the file refers to objects outside of it")


def _agent(data: Any) -> Agent:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise AgentFileError("expected a saved agent of mpi_pgpe, got a pickle of something else")
    if data["version"] != VERSION:
        raise AgentFileError(
            f"expected format version {VERSION}, got {data['version']!r}; a newer mpi_pgpe may read it"
        )
    shape = PolicyShape(int(data["observation_size"]), int(data["action_size"]), tuple(int(n) for n in data["hidden"]))
    low, high = (None if data[key] is None else _unpack(data[key]) for key in ("action_low", "action_high"))
    if (low is None) != (high is None):
        raise AgentFileError("action_low and action_high: expected both or neither")
    parameters = _unpack(data["parameters"])
    expected = {"parameters": (parameters, shape.num_parameters)}
    if low is not None and high is not None:
        expected |= {"action_low": (low, shape.action_size), "action_high": (high, shape.action_size)}
    moments = None
    if data["moments"] is not None:
        m = data["moments"]
        moments = Moments(shape.observation_size, int(m["count"]), _unpack(m["sum"]), _unpack(m["sumsq"]))
        expected |= {key: (getattr(moments, key), shape.observation_size) for key in ("sum", "sumsq")}
    for name, (array, size) in expected.items():
        if array.shape != (size,):
            raise AgentFileError(f"{name}: expected shape ({size},), got {array.shape}")
    if not isinstance(data["metadata"], dict):
        raise AgentFileError("metadata: expected a dictionary")
    space = ActionSpace(shape.action_size, low, high, int(data["action_start"]))
    return Agent(parameters, shape, space, moments, data["metadata"])


def _pack(array: NDArray[Any]) -> dict[str, Any]:
    little_endian = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": little_endian.dtype.str, "shape": list(array.shape), "bytes": little_endian.tobytes()}


def _unpack(packed: dict[str, Any]) -> NDArray[Any]:
    if packed["dtype"] not in ("<f4", "<f8"):
        raise AgentFileError(f"expected an array of dtype <f4 or <f8, got {packed['dtype']!r}")
    dtype, shape = np.dtype(packed["dtype"]), tuple(int(n) for n in packed["shape"])
    if len(packed["bytes"]) != dtype.itemsize * math.prod(shape):
        raise AgentFileError(f"expected an array of shape {shape}, got {len(packed['bytes'])} bytes")
    return np.frombuffer(packed["bytes"], dtype).reshape(shape).astype(dtype.newbyteorder("="))

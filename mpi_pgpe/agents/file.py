"""The saved agent: a pickle of plain data, written atomically and read without running anything.

Arrays are stored as (dtype, shape, bytes), so that the pickle holds built-in types alone: its reader
(safe_pickle.py) needs no class at all and refuses any that a file names, and the file does not depend on
the versions of numpy or Python. A checksum follows the pickle (pickle itself ignores what follows), so that
damage is noticed wherever it is. `python -m mpi_pgpe.agents` shows and converts such files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import reprlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents import network_data
from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.pgpelib import POLICIES, read_pgpelib
from mpi_pgpe.agents.plain_data import copy_plain_data
from mpi_pgpe.agents.safe_pickle import BadPickle, ForeignName, load
from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.regular_file import read_regular
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.policies.layout import FLOATS, Layout
from mpi_pgpe.policies.normalization import STDEV_FLOOR, Moments
from mpi_pgpe.policies.spaces import ActionSpace

BEST_AGENT = "best.pickle"
"""Name of the file with the agent of a run that has the best re-evaluation."""

FORMAT = "mpi_pgpe agent"
FORMAT_OF_SOLUTIONS = "mpi_pgpe solution"  # of solution.py: no agent
VERSION = 4
"""1 had no checksum. 3 has a reference or a floor of the statistics, 4 a network that 3 knows nothing of, or spaces
that are not flat; each is written where it is needed alone."""
_LARGEST_FILE = 2**28  # bytes; far beyond any policy that fits this program


class AgentFileError(WrongInput):
    """The file is missing, damaged or not a saved agent of this program."""


def write_agent(path: str | os.PathLike[str], agent: Agent) -> None:
    """Write `agent` to `path`: all of it or nothing, even if the machine fails meanwhile.

    Raises:
        ValueError: the metadata is not plain data.
    """
    write_atomically(path, to_bytes(agent))


def to_bytes(agent: Agent) -> bytes:
    """The content of the file that `write_agent` writes."""
    space, moments = agent.action_space, agent.moments
    more = {} if moments is None else _collect_moments_extras(moments)
    network = network_data.needs_version_4(agent.shape)
    layouts = _collect_layouts(agent)
    content = pickle.dumps(
        _intern_texts(
            {
                "format": FORMAT,
                "version": 4 if network or layouts else 3 if more else 2,
                "parameters": _pack(agent.parameters),
                **network_data.to_plain(agent.shape),
                "action_low": None if space.low is None else _pack(space.low),
                "action_high": None if space.high is None else _pack(space.high),
                "action_start": space.start,
                **layouts,
                **({} if space.dtype == "float32" else {"action_dtype": space.dtype}),
                "moments": None
                if moments is None
                else {"count": moments.count, "sum": _pack(moments.sum), "sumsq": _pack(moments.sumsq), **more},
                "metadata": _plain_metadata(agent.metadata),
            }
        ),
        protocol=4,
    )
    return content + compute_checksum(content)


def _collect_moments_extras(moments: Moments) -> dict[str, Any]:
    """What earlier versions know nothing of, if it is needed."""
    more: dict[str, Any] = {}
    if moments.reference is not None:
        more["reference"] = _pack(moments.reference)
    if moments.stdev_floor != STDEV_FLOOR:
        more["stdev_floor"] = float(moments.stdev_floor)
    return more


def _collect_layouts(agent: Agent) -> dict[str, Any]:
    """Likewise of the spaces."""
    layouts = {"observation_layout": agent.observation_layout, "action_layout": agent.action_space.layout}
    return {name: layout.to_plain() for name, layout in layouts.items() if layout is not None}


def compute_checksum(content: bytes | memoryview) -> bytes:
    """What follows a pickle in the file."""
    return hashlib.sha256(content).digest()


def _intern_texts(data: Any) -> Any:
    """The same plain data, with equal texts as one object: pickle writes an object that it has met as a reference."""
    if isinstance(data, str):
        return sys.intern(data)
    if isinstance(data, dict):
        return {_intern_texts(key): _intern_texts(value) for key, value in data.items()}
    return type(data)(map(_intern_texts, data)) if isinstance(data, (list, tuple)) else data


def read_agent(path: str | os.PathLike[str]) -> Agent:
    """Read a saved agent, one of this program or of pgpelib (2020); runs no code that the file brings.

    Raises:
        AgentFileError: the file is missing, damaged, or not a saved agent.
    """
    try:
        return agent_from_bytes(_content(path))
    except OSError as error:
        best = Path(path, BEST_AGENT)
        hint = f"; did you mean {best}?" if os.path.isfile(best) else ""
        raise AgentFileError(f"{path}: cannot be read: {error.strerror or error}{hint}") from None
    except AgentFileError as error:
        raise AgentFileError(f"{path}: {error}") from None


def agent_from_bytes(content: bytes) -> Agent:
    """The agent in the content of a saved file.

    Raises:
        AgentFileError: it holds no agent, or is damaged.
    """
    try:
        return _check_usable(_read(content))
    except AgentFileError as error:
        raise AgentFileError(make_printable(str(error))) from None
    except BadPickle as error:
        raise AgentFileError(make_printable(f"expected a saved agent: {error}")) from None
    except Exception as error:  # what is missing or odd in a file can raise almost anything
        raise AgentFileError(
            make_printable(
                f"expected a saved agent, but something in it is missing or odd ({type(error).__name__}: {error})"
            )
        ) from None


def _read(content: bytes) -> Agent:
    try:
        data, end = load(content)
    except ForeignName as foreign:
        if foreign.name not in POLICIES:
            raise
        return Agent(**read_pgpelib(content))
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        if isinstance(data, dict) and data.get("format") == FORMAT_OF_SOLUTIONS:
            raise AgentFileError(
                "expected a saved agent, got a solution of a function; mpi_pgpe.agents.read_solution(path) reads it"
            )
        raise AgentFileError("expected a saved agent of mpi_pgpe, got a pickle of something else")
    version = data["version"]
    if type(version) is not int or not 1 <= version <= VERSION:
        raise AgentFileError(
            f"expected format version 1 to {VERSION}, got {reprlib.repr(version)}; a newer mpi_pgpe may read it"
        )
    pickled, rest = memoryview(content)[:end], content[end:]
    if rest != (b"" if version == 1 else compute_checksum(pickled)):
        raise AgentFileError("expected a saved agent, but the file is damaged: its checksum is not that of its content")
    return _agent(data)


def _check_usable(agent: Agent) -> Agent:
    """The agent, if its numbers can be computed with."""
    space, moments = agent.action_space, agent.moments
    if not np.isfinite(agent.parameters).all() or not (moments is None or moments.is_finite()):
        raise AgentFileError("expected finite parameters and running statistics, got others")
    if moments is not None:
        with np.errstate(over="raise"):  # what those who compute with the policy would be warned of, again and again
            moments.mean().astype(np.float32), moments.stdev().astype(np.float32)
    if space.low is not None and space.high is not None and not (space.low <= space.high).all():
        raise AgentFileError("expected lower bounds of actions below the upper ones, got others")
    return agent


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return read_regular(path, _LARGEST_FILE)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise AgentFileError(f"expected a saved agent, got {error.strerror}") from None
        raise


def _agent(data: dict[str, Any]) -> Agent:
    try:
        shape = network_data.from_plain(data)
    except ValueError as error:
        raise AgentFileError(str(error)) from None
    parameters = _unpack("parameters", data["parameters"], shape.num_parameters)
    low, high = (
        None if data[name] is None else _unpack(name, data[name], shape.action_size)
        for name in ("action_low", "action_high")
    )
    if (low is None) != (high is None):
        raise AgentFileError("action_low and action_high: expected both or neither")
    moments = None
    if data["moments"] is not None:
        size, count = shape.observation_size, _whole(data["moments"]["count"], 0, 2**63)
        total, squares = (_unpack(name, data["moments"][name], size) for name in ("sum", "sumsq"))
        reference, floor = (data["moments"].get(name) for name in ("reference", "stdev_floor"))
        moments = Moments(size, count, total, squares)
        if reference is not None:
            moments.reference = _unpack("reference", reference, size)
        if floor is not None:
            if type(floor) is not float or not 0 < floor < np.inf:
                raise AgentFileError(f"stdev_floor: expected a positive number, got {reprlib.repr(floor)}")
            moments.stdev_floor = floor
    if type(data["metadata"]) is not dict:
        raise AgentFileError("metadata: expected a dictionary")
    start, dtype = _whole(data["action_start"], -(2**31), 2**31), data.get("action_dtype", "float32")
    if type(dtype) is not str or dtype not in FLOATS:
        raise AgentFileError(f"action_dtype: expected one of {', '.join(FLOATS)}, got {reprlib.repr(dtype)}")
    observations = _layout(data, "observation_layout", shape.observation_size)
    actions = _layout(data, "action_layout", shape.action_size)
    if actions is not None and (low is None or (start, dtype) != (0, "float32")):
        raise AgentFileError("action_layout: expected bounds, and no start or dtype beside it")
    space = ActionSpace(shape.action_size, low, high, start, dtype, actions)
    return Agent(parameters, shape, space, moments, copy_plain_data(data["metadata"]), observations)


def _layout(data: dict[str, Any], name: str, size: int) -> Layout | None:
    if (plain := data.get(name)) is None:
        return None
    try:
        layout = Layout.from_plain(plain)
    except ValueError as error:
        raise AgentFileError(f"{name}: {error}") from None
    if layout.size != size:
        raise AgentFileError(f"{name}: expected one of {size} numbers, got {layout.size}")
    return layout


def _whole(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise AgentFileError(f"expected a whole number from {least} to {most}, got {reprlib.repr(value)}")
    return value


def _plain_metadata(metadata: dict[str, Any]) -> Any:
    def convert(value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        kinds: tuple[Callable[[Any], Any], ...] = (str, list, tuple)
        for kind in kinds:
            if isinstance(value, kind):  # type: ignore[arg-type]  # sacred hands out subclasses
                return kind(value)
        raise ValueError(
            f"metadata: expected plain data (dictionaries, lists, numbers, text), got {type(value).__name__}"
        )

    return copy_plain_data(metadata, convert)


def _pack(array: NDArray[Any]) -> dict[str, Any]:
    little_endian = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": little_endian.dtype.str, "shape": list(array.shape), "bytes": little_endian.tobytes()}


_DTYPES = {
    "parameters": "<f4",
    "action_low": "<f4",
    "action_high": "<f4",
    "sum": "<f8",
    "sumsq": "<f8",
    "reference": "<f8",
}


def _unpack(name: str, packed: dict[str, Any], size: int) -> NDArray[Any]:
    dtype, shape, content = packed["dtype"], packed["shape"], packed["bytes"]
    if (dtype, shape) != (_DTYPES[name], [size]) or type(content) is not bytes:
        got = (
            f"{reprlib.repr(shape)} and {reprlib.repr(dtype)}"  # a file can hold what would take for ever to write out
        )
        raise AgentFileError(f"{name}: expected shape [{size}] and dtype {_DTYPES[name]}, got {got}")
    if len(content) != np.dtype(dtype).itemsize * size:
        raise AgentFileError(f"{name}: expected {size} numbers, got {len(content)} bytes")
    return np.frombuffer(content, dtype).astype(np.dtype(dtype).newbyteorder("="))

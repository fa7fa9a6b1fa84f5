"""The spaces of an environment: what a policy gets to see and may do there.

What is a flat array already stays as it is. All else is flattened by the functions of the library that the space is of,
gym or gymnasium.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.envs.interface import UnsupportedEnvironment
from mpi_pgpe.policies.layout import FLOATS, WHOLE, Layout
from mpi_pgpe.policies.spaces import ActionSpace, round_inwards

Flatten = Callable[[Any], Any]
"""An element of a space, as an array of shape (size,)."""

_KINDS = ("Box", "Discrete", "MultiDiscrete", "MultiBinary", "Dict", "Tuple")


def read_observations(name: str, space: Any) -> tuple[int, Layout | None, Flatten | None]:
    """(numbers in an observation, its layout, what flattens it); the last two None for a flat Box.

    Raises:
        UnsupportedEnvironment: observations in this space have no fixed number of numbers.
    """
    if _find_kind(space) == "Box" and len(space.shape) == 1 and space.shape[0]:
        return int(space.shape[0]), None, None
    layout = read_layout(name, "observations", space)
    flatten = sys.modules[_find_library(space)].spaces.flatten

    def flatten_observation(observation: Any) -> Any:
        if layout.is_like(observation):
            try:
                return flatten(space, observation)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                reason = f" ({type(error).__name__}: {error})"
        else:
            reason = ""
        raise ValueError(
            f"expected observations in {layout}, as the environment's observation_space says, got "
            f"{observation!r:.200}{reason}"
        )

    return layout.size, layout, flatten_observation


def read_actions(name: str, space: Any) -> ActionSpace:
    """The actions in a space.

    Raises:
        UnsupportedEnvironment: no policy can choose them; or there is no float32 between bounds.
    """
    kind = _find_kind(space)
    if kind == "Discrete":
        return ActionSpace(int(space.n), start=int(space.start))
    try:
        if kind == "Box" and len(space.shape) == 1 and space.shape[0] and space.dtype.kind == "f":
            return ActionSpace.box(*(np.asarray(bound, space.dtype) for bound in (space.low, space.high)))
        layout = read_layout(name, "actions", space)
        pairs = list(_find_bounds(space))
        low, high = (np.concatenate(bounds) for bounds in zip(*pairs, strict=True))
    except ValueError as error:
        raise UnsupportedEnvironment(f"environment {name!r}: {error}") from None
    return ActionSpace(layout.size, low, high, layout=layout)


def translate_step(
    step: Callable[[Any], Any], flatten: Flatten | None, to_action: Callable[[NDArray[np.float32]], Any] | None
) -> Callable[[Any], Any]:
    """`step`, which takes an action and returns an observation as flat arrays; see `interface.Environment`."""

    def flat_step(action: Any) -> Any:
        result = step(action if to_action is None else to_action(action))
        if flatten is None or result[2] or result[3]:  # nobody reads the last observation of an episode
            return result
        return (flatten(result[0]), *result[1:])

    return flat_step


def _find_kind(space: Any) -> str | None:
    """The kind of a space, as far as gym or gymnasium, if they are loaded, have it."""
    module = sys.modules.get(_find_library(space))
    return None if module is None else next((k for k in _KINDS if isinstance(space, getattr(module.spaces, k))), None)


def _find_library(space: Any) -> str:
    """The library that a space is of; the first one in the order of its classes."""
    modules = (cls.__module__.partition(".")[0] for cls in type(space).__mro__)
    return next((module for module in modules if module in ("gym", "gymnasium")), "")


def read_layout(name: str, what: str, space: Any, path: str = "") -> Layout:
    """The layout of a space; `path` is how to come to it from the whole one.

    Raises:
        UnsupportedEnvironment: it is of a kind, or has parts, that no policy serves.
    """
    kind = _find_kind(space)
    if kind == "Dict":
        keys = tuple(space.spaces)
        if keys and all(type(key) in (str, int) for key in keys):
            parts = tuple(read_layout(name, what, space.spaces[key], f"{path}[{key!r}]") for key in keys)
            return Layout(kind, keys=keys, parts=parts)
    elif kind == "Tuple" and len(space.spaces):
        parts = tuple(read_layout(name, what, part, f"{path}[{i}]") for i, part in enumerate(space.spaces))
        return Layout(kind, parts=parts)
    elif kind is not None and kind != "Tuple":
        shape, dtype = tuple(map(int, space.shape)), space.dtype.name
        dtype = "longdouble" if space.dtype == np.longdouble != np.float64 else dtype
        if kind == "Box" and dtype in (*FLOATS, *WHOLE) and np.prod(shape, dtype=np.int64) > 0:
            return Layout(kind, shape, dtype)
        if kind == "MultiBinary" and np.prod(shape, dtype=np.int64) > 0:
            return Layout(kind, shape, dtype)
        if kind == "Discrete":
            return Layout(kind, (), dtype, (int(space.n),), (int(space.start),))
        if kind == "MultiDiscrete" and space.nvec.size:
            counts = tuple(map(int, space.nvec.reshape(-1)))
            starts = getattr(space, "start", np.zeros(len(counts), np.int64))  # which gym's have not
            return Layout(kind, shape, dtype, counts, tuple(map(int, np.reshape(starts, -1))))
    where = f" at {path}" if path else ""
    raise UnsupportedEnvironment(
        f"environment {name!r}: expected {what} in {', '.join(_KINDS[:-1])} or {_KINDS[-1]}, got {space!s:.200}{where}"
        f"; {_advise(what, type(space).__name__)}"
    )


def _advise(what: str, kind: str) -> str:
    """What to do about a space without a fixed number of numbers."""
    if what == "observations":
        padded = " (which pads what there is, say)" if kind in ("Sequence", "Graph") else ""
        wanted = f"an observation_space of these kinds alone{padded}"
    else:
        wanted = f"an action_space of these kinds alone, which makes the {kind} of it"
    return f"wrap it: wrappers=\"['module:Wrapper']\" names a wrapper of your own with {wanted}"


def _find_bounds(space: Any) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(low, high) of a policy's outputs for each leaf of a space, in the order of its layout."""
    kind = _find_kind(space)
    if kind == "Box":
        yield round_inwards(*(np.asarray(bound, space.dtype).reshape(-1) for bound in (space.low, space.high)))
    elif kind in ("Dict", "Tuple"):
        for part in space.spaces.values() if kind == "Dict" else space.spaces:
            yield from _find_bounds(part)
    else:
        size = int(
            np.sum(space.nvec) if kind == "MultiDiscrete" else space.n if kind == "Discrete" else np.prod(space.shape)
        )
        yield np.full(size, -np.inf, np.float32), np.full(size, np.inf, np.float32)

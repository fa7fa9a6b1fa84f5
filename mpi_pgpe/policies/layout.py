"""Observations and actions that are more than a flat array of numbers, as plain data.

A layout says how a flat vector stands for an element of a space of gym or gymnasium: in the order, and with the one-hot
codes, of their functions `flatten` and `unflatten`. It is what a saved agent holds of such a space, and needs neither
library.
"""

from __future__ import annotations

import functools
import itertools
import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS = ("float16", "float32", "float64", "longdouble")
"""Types of continuous actions."""

WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
"""Types of whole numbers."""

LARGEST = 2**28
"""Numbers in a vector, at most."""
_DEEPEST = 20  # spaces in spaces
_MOST_SPACES = 10_000  # in a layout; a list may stand for itself many times in a small file
_MOST_AXES = 64  # of an array, as numpy has it
_FIELDS = ("kind", "shape", "dtype", "counts", "starts", "keys", "parts")


@dataclass(frozen=True)
class Layout:
    """What an element of a space is, and where it stands in a flat vector of `size` numbers.

    | kind | element | in the vector |
    |---|---|---|
    | Box | array of `shape` and `dtype` | its numbers, row by row |
    | Discrete | one of the counts[0] integers from starts[0] | a one-hot code |
    | MultiDiscrete | array of `shape` and `dtype`, of the counts[i] integers from starts[i] at i | one-hot codes |
    | MultiBinary | array of `shape` and `dtype` of zeros and ones | its numbers, row by row |
    | Dict | dictionary with `keys`, an element of each of `parts` | one part after the other |
    | Tuple | tuple of an element of each of `parts` | likewise |
    """

    kind: str
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    counts: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    keys: tuple[str | int, ...] = ()
    parts: tuple[Layout, ...] = ()

    def __str__(self) -> str:
        if self.kind == "Dict":
            return f"Dict({', '.join(f'{k}: {part}' for k, part in zip(self.keys, self.parts, strict=True))})"
        inside = self.parts or self.counts or self.shape
        return f"{self.kind}({', '.join(map(str, inside))})"

    @functools.cached_property
    def size(self) -> int:
        """Numbers in the flat vector."""
        if self.kind in ("Dict", "Tuple"):
            return sum(part.size for part in self.parts)
        return sum(self.counts) if self.counts else math.prod(self.shape)

    @functools.cached_property
    def _slices(self) -> list[slice]:
        """Where the parts stand, or the one-hot codes."""
        ends = list(itertools.accumulate([part.size for part in self.parts] or self.counts))
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def is_like(self, element: Any) -> bool:
        """Whether something has the outer form of an element, as opposed to that of flat vectors."""
        if self.kind == "Dict":
            return isinstance(element, Mapping)
        return isinstance(element, tuple) if self.kind == "Tuple" else np.shape(element) == self.shape

    def flatten(self, element: Any) -> NDArray[np.float32]:
        """The flat vector of an element: float32, shape (size,).

        Raises:
            ValueError: it is not of the form that the layout says.
        """
        flat = np.empty(self.size, np.float32)
        self._write(element, flat)
        return flat

    def _write(self, element: Any, flat: NDArray[np.float32]) -> None:
        if not self.is_like(element):
            raise ValueError(f"expected an observation in {self}, got {element!r:.200}")
        if self.kind in ("Box", "MultiBinary"):
            flat[:] = np.asarray(element, self.dtype).reshape(-1)
        elif self.counts:
            choices = np.asarray(element, np.int64).reshape(-1) - self.starts
            if not ((choices >= 0) & (choices < self.counts)).all():
                raise ValueError(f"expected an observation in {self}, got {element!r:.200}")
            flat[:] = 0
            flat[[each.start for each in self._slices] + choices] = 1
        else:
            missing = [key for key in self.keys if key not in element]
            if missing or (self.kind == "Tuple" and len(element) != len(self.parts)):
                raise ValueError(f"expected an observation in {self}, got {element!r:.200}")
            below = [element[key] for key in self.keys] if self.kind == "Dict" else element
            for part, where, each in zip(self.parts, self._slices, below, strict=True):
                part._write(each, flat[where])

    def make(self, outputs: NDArray[np.float32]) -> Any:
        """The action that a policy's outputs stand for; of a batch, a batch of each of its arrays.

        Of a one-hot code's place the largest output is taken, of a zero or one whether the output is above zero, and
        whole numbers are rounded to the nearest, ties to even.

        Args:
            outputs: float32, shape (size,) or (n, size), within the bounds of the action space.
        """
        batch = outputs.shape[:-1]
        if self.kind == "Box":
            rounded = np.rint(outputs) if self.dtype in WHOLE else outputs
            return rounded.astype(self.dtype).reshape(batch + self.shape)
        if self.kind == "MultiBinary":
            return (outputs > 0).astype(self.dtype).reshape(batch + self.shape)
        if self.kind == "Dict":
            return {
                k: part.make(outputs[..., where])
                for k, part, where in zip(self.keys, self.parts, self._slices, strict=True)
            }
        if self.kind == "Tuple":
            return tuple(part.make(outputs[..., where]) for part, where in zip(self.parts, self._slices, strict=True))
        chosen = np.empty((*batch, len(self.counts)), np.int64)
        for i, where in enumerate(self._slices):
            chosen[..., i] = outputs[..., where].argmax(-1)
        chosen += np.asarray(self.starts)
        return chosen.astype(self.dtype).reshape(batch + self.shape)[()]  # a number of numpy's where there are no axes

    def to_plain(self) -> dict[str, Any]:
        """The layout as dictionaries, lists, numbers and text."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        plain |= {name: list(value) for name, value in plain.items() if isinstance(value, tuple)}
        return plain | {"parts": [part.to_plain() for part in self.parts]}

    @classmethod
    def from_plain(cls, plain: Any) -> Layout:
        """The layout that `to_plain` made such data of.

        Raises:
            ValueError: it made no such data.
        """
        layout = _read(plain, 0, iter(range(_MOST_SPACES)))
        if not 0 < layout.size <= LARGEST:
            raise ValueError(f"expected a layout of 1 to {LARGEST} numbers, got one of {layout.size}")
        return layout


def _read(plain: Any, depth: int, left: Iterator[int]) -> Layout:
    if next(left, None) is None:
        raise ValueError(f"expected at most {_MOST_SPACES} spaces in a layout")
    if type(plain) is not dict or set(plain) != set(_FIELDS) or depth > _DEEPEST:
        raise ValueError(f"expected the layout of a space, got {reprlib.repr(plain)}")
    kind, dtype, starts, keys = (plain[name] for name in ("kind", "dtype", "starts", "keys"))
    shape, counts = (_whole_numbers(plain[name], 1, LARGEST) for name in ("shape", "counts"))
    if len(shape) > _MOST_AXES:  # the product of many large numbers takes minutes
        raise ValueError(f"expected a shape of at most {_MOST_AXES} axes, got {len(shape)}")
    parts = tuple(_read(part, depth + 1, left) for part in _list(plain["parts"]))
    keys, starts = tuple(_list(keys)), _whole_numbers(starts, -(2**63), 2**63 - 1)
    layout = Layout(kind, shape, dtype, counts, starts, keys, parts)
    leaf = not parts and not keys
    right = {
        "Box": lambda: leaf and not counts and not starts and dtype in (*FLOATS, *WHOLE),
        "MultiBinary": lambda: leaf and not counts and not starts and dtype in WHOLE,
        "Discrete": lambda: leaf and len(counts) == len(starts) == 1 and not shape and dtype in WHOLE,
        "MultiDiscrete": lambda: leaf and 0 < len(counts) == len(starts) == math.prod(shape) and dtype in WHOLE,
        "Dict": lambda: not counts and len(keys) == len(parts) == len(set(keys)) > 0,
        "Tuple": lambda: not counts and not keys and len(parts) > 0,
    }
    if type(kind) is not str or type(dtype) is not str or kind not in right or not right[kind]():
        raise ValueError(f"expected the layout of a space, got {reprlib.repr(plain)}")
    if not all(type(key) in (str, int) for key in keys):
        raise ValueError(f"expected text or whole numbers for keys, got {reprlib.repr(keys)}")
    return layout


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"expected a list, got {reprlib.repr(value)}")
    return value


def _whole_numbers(value: Any, least: int, most: int) -> tuple[int, ...]:
    if not all(type(each) is int and least <= each <= most for each in _list(value)):
        raise ValueError(f"expected whole numbers from {least} to {most}, got {reprlib.repr(value)}")
    return tuple(value)


def flatten_observations(observations: Any, size: int, layout: Layout | None) -> NDArray[np.float32]:
    """Flat observations: of one, as it comes from the environment, or of what is flat already.

    Args:
        observations: an element of the observation space; or flat, of shape (size,) or (n, size).
        size: numbers in a flat observation.
        layout: of the observation space; None: it is flat.

    Returns:
        float32, shape (size,) or (n, size).

    Raises:
        ValueError: it is neither.
    """
    if layout is not None and layout.is_like(observations):
        return layout.flatten(observations)
    expected = f"expected observations of shape ({size},) or (n, {size})"
    if layout is not None:
        expected += f", or one in {layout}"
    try:
        flat = np.asarray(observations, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{expected}, got {observations!r:.200}") from None
    if flat.ndim not in (1, 2) or flat.shape[-1] != size:
        raise ValueError(f"{expected}, got {flat.shape}")
    return flat

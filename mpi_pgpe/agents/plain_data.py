"""Plain data: what the metadata of a saved agent may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi_pgpe.agents.safe_pickle import BadPickle, Call, key

_MOST_VALUES = 500_000  # in what `copy_plain_data` returns; ten characters, or 32 bits, count as one
_DEEPEST = 50  # containers within containers, there


def copy_plain_data(value: Any, convert: Callable[[Any], Any] | None = None) -> Any:
    """A copy of plain data: dictionaries, lists, tuples, text, bytes, numbers, True, False and None.

    `convert` turns other values into plain data, or raises. Nothing in the copy is shared, so that its
    size is what it takes to write it out.

    Raises:
        BadPickle: there is something else in it, or it is too large or too deep.
    """
    values = 0

    def copy(value: Any, depth: int) -> Any:
        nonlocal values
        kind = type(value)
        values += 1 + (len(value) // 10 if kind in (str, bytes) else value.bit_length() // 32 if kind is int else 0)
        if values > _MOST_VALUES or depth > _DEEPEST:
            raise BadPickle(f"expected at most {_MOST_VALUES} values, at most {_DEEPEST} deep")
        if kind is dict:
            return {key(name): copy(item, depth + 1) for name, item in value.items()}
        if kind is list:
            return [copy(item, depth + 1) for item in value]
        if kind is tuple:
            return tuple([copy(item, depth + 1) for item in value])
        if value is None or kind in (str, bytes, int, float, bool):
            return value
        if convert is None:
            raise BadPickle(f"expected plain data, got {value.maker if kind is Call else kind.__name__}")
        return copy(convert(value), depth + 1)

    return copy(value, 0)

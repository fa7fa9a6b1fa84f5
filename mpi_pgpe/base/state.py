"""The state of a run as plain data: nested dictionaries of numbers, text and numpy arrays, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

State = dict[str, Any]
"""Nested dictionaries, with str keys, of plain data and numpy arrays."""


def digest(state: Mapping[str, Any]) -> int:
    """48 bits of the SHA-256 of a state: equal for equal bits, so that two runs can be compared.

    A number below 2^48 is exact in JSON, in a database and as a float64; `f"{n:012x}"` is how it is printed.
    """
    sha = hashlib.sha256()
    for path, value in sorted(_leaves(state, "")):
        sha.update(path.encode() + b"\0")
        if isinstance(value, np.ndarray):
            sha.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            sha.update(json.dumps(value).encode())
    return int.from_bytes(sha.digest()[:6], "big")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    else:
        yield path, value

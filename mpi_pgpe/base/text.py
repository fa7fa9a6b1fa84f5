"""What commands print: JSON in one line, and text that is fit for a terminal."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

_LONGEST_MESSAGE = 500  # characters


def format_json_line(value: Any) -> str:
    """One line of JSON; numbers that JSON does not have (NaN, infinite ones) become null."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value


def make_printable(text: str, longest: int = _LONGEST_MESSAGE) -> str:
    """`text`, which may quote a hostile file, as one line that is fit for a terminal."""
    short = text if len(text) <= longest else f"{text[:longest]}..."
    return "".join(character if character.isprintable() else "?" for character in short)


def format_path(path: str | os.PathLike[str]) -> str:
    """A path as people write it: from the working folder on, where it is below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative

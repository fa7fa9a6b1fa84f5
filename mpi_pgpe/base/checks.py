"""Checks of values that users give: each says what was expected and what came."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import PurePath
from typing import Any


def _number(value: Any) -> float:
    """`value` as a float; NaN, which no range holds, for what is not a number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an int beyond the range of floats; no check takes an infinite one
        return math.inf


def check_positive(name: str, value: Any) -> float:
    """`value` as a float if it is a positive, finite number, else ValueError."""
    if not 0 < _number(value) < math.inf:
        raise ValueError(f"{name}: expected a positive number, got {value!r}")
    return float(value)


def check_not_negative(name: str, value: Any) -> float:
    """`value` as a float if it is zero or a positive, finite number, else ValueError."""
    if not 0 <= _number(value) < math.inf:
        raise ValueError(f"{name}: expected zero or a positive number, got {value!r}")
    return float(value)


def check_finite(name: str, value: Any) -> float:
    """`value` as a float if it is a finite number, else ValueError."""
    if not math.isfinite(_number(value)):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def check_fraction(name: str, value: Any) -> float:
    """`value` as a float if it is in [0, 1), else ValueError."""
    if not 0 <= _number(value) < 1:
        raise ValueError(f"{name}: expected a number from 0 up to, but not including, 1, got {value!r}")
    return float(value)


def check_whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int if it is a whole number of at least `least`, else ValueError."""
    number = _number(value)
    if not least <= number < math.inf or number != math.floor(number):
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def check_flag(name: str, value: Any) -> bool:
    """`value` if it is a bool, else ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, got {value!r}")
    return value


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """`value` if it is one of the `choices`, else ValueError."""
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return value


_LONGEST_NAME = 255  # bytes, of what Linux's file systems take


def check_path(name: str, value: Any) -> str:
    """`value` if it may be the path of a file or folder, else ValueError."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name}: expected a path, got {value!r}")
    longest = max((len(os.fsencode(part)) for part in PurePath(value).parts), default=0)
    if longest > _LONGEST_NAME:
        raise ValueError(f"{name}: expected names of at most {_LONGEST_NAME} bytes in a path, got one of {longest}")
    return value


def check_popsize(value: Any) -> int:
    """`value` as an int if it is a population size: even (mirrored pairs), at least 2."""
    popsize = check_whole("popsize", value, least=2)
    if popsize % 2:
        raise ValueError(
            f"popsize: expected an even number, because solutions come in mirrored pairs, got {popsize}; "
            f"use {popsize - 1} or {popsize + 1}"
        )
    return popsize

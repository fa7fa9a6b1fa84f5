"""Checks of settings: check(name, value) returns the value in its type, or raises ValueError with what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mpi_pgpe.base.checks import check_popsize, check_whole
from mpi_pgpe.policies.network import MOST_HIDDEN
from mpi_pgpe.search.optimizers import OPTIMIZERS
from mpi_pgpe.training.setting import Check

LARGEST_SEED = 2**32 - 1  # numpy's, for sacred


def or_none(check: Check, *none_values: Any) -> Check:
    """`check`, or None; `none_values` mean None, too."""

    def check_or_none(name: str, value: Any) -> Any:
        if value is None or any(value is each or (type(value) is type(each) and value == each) for each in none_values):
            return None
        try:
            return check(name, value)
        except ValueError as error:
            raise ValueError(str(error).replace("expected ", "expected None or ", 1)) from None

    return check_or_none


def one_of(*choices: str) -> Check:
    """One of the texts."""
    listed = f"one of {', '.join(choices)}" if len(choices) > 2 else " or ".join(choices)

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{name}: expected {listed}, got {value!r}")
        return value

    return check


optimizer = one_of(*OPTIMIZERS)


def text(name: str, value: Any) -> str:
    """Text."""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, got {value!r}")
    return value


def env_name(name: str, value: Any) -> str:
    """The name of an environment; whether there is one of this name is looked at later. '' is none, for a function."""
    if not isinstance(value, str) or (value and not value.strip()):
        raise ValueError(f"{name}: expected the name of an environment, got {value!r}")
    return value


def keywords(name: str, value: Any) -> dict[str, Any]:
    """Keyword arguments, plain enough to travel to all ranks and into saved agents."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name}: expected keyword arguments, such as {{'gravity': -5.0}}, got {value!r}")
    check_keys(name, value)
    try:
        copied: dict[str, Any] = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, text, lists and dictionaries, got {value!r} ({error})") from None
    return copied


def wrappers(name: str, value: Any) -> list[Any]:
    """Names of wrappers, the innermost first, each with a dictionary of its arguments behind it if it has some."""
    form = (
        "a flat list of names in quotes, each followed by a dictionary of its arguments if it has some, such as "
        "\"['RescaleAction', {'min_action': -1, 'max_action': 1}, 'ClipAction']\""
    )
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name}: expected {form}, got {value!r:.200}")
    found: list[Any] = []
    for item in value:
        if isinstance(item, str) and item.strip():
            found.append(item)
        elif isinstance(item, Mapping) and found and isinstance(found[-1], str):
            found.append(keywords(name, item))
        else:
            raise ValueError(f"{name}: expected {form}, got {item!r:.200} in it, at place {len(found) + 1}")
    return found


def check_keys(name: str, value: Any) -> None:
    """Refuse keys that would not arrive as they are written: sacred's records and JSON would change them."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not isinstance(key, str):
                wrong = "text for a key, as numbers and others become text on their way"
            elif not key:
                wrong = "keys that are not empty"
            elif "." in key:
                wrong = "keys without a dot, which stands for a dictionary in a dictionary"
            elif "=" in key or key.startswith(("$", "py/", "json://")):
                wrong = "keys without = that do not begin with $, py/ or json://, which records take for something else"
            else:
                check_keys(name, below)
                continue
            raise ValueError(
                f"{name}: expected {wrong}, got {key!r}; have the environment make such a dictionary from another one"
            )
    elif isinstance(value, (list, tuple)):
        for below in value:
            check_keys(name, below)


def popsize(_: str, value: Any) -> int | None:
    """An even number; or None, where it follows from the number of parameters."""
    return None if value is None else check_popsize(value)


def from_zero(name: str, value: Any) -> int:
    """A whole number of at least 0."""
    return check_whole(name, value, 0)


def seed(name: str, value: Any) -> int:
    """A seed that numpy and sacred take."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_SEED:
        raise ValueError(f"{name}: expected a whole number from 0 to {LARGEST_SEED}, got {value!r}")
    return value


def layer_size(name: str, value: Any) -> int:
    """Units in a hidden layer; 0 for none."""
    size = check_whole(name, value, 0)
    if size > 2**16:
        raise ValueError(f"{name}: expected at most {2**16} units in a layer, got {value!r}")
    return size


def layers(name: str, value: Any) -> int:
    """A number of hidden layers."""
    number = check_whole(name, value, 0)
    if number > MOST_HIDDEN:
        raise ValueError(f"{name}: expected at most {MOST_HIDDEN} hidden layers, got {value!r}")
    return number


def layer_sizes(name: str, value: Any) -> list[int]:
    """Units in each hidden layer: one number, or several."""
    sizes = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(sizes) > MOST_HIDDEN:
        raise ValueError(f"{name}: expected at most {MOST_HIDDEN} hidden layers, got {len(sizes)}")
    for size in sizes:
        wrong = isinstance(size, str) or (isinstance(size, int) and size < 1)
        if wrong or layer_size(name, size) == 0:
            raise ValueError(f"{name}: expected widths of at least 1, such as [64,32], or [] for none, got {value!r}")
    return [int(size) for size in sizes]


_TIME = re.compile(r"(?:(\d+)-(?=\d+(?::[0-5]?\d){0,2}$))?(\d+)(?::([0-5]?\d))?(?::([0-5]?\d))?")


def walltime(name: str, value: Any) -> str:
    """A time in one of Slurm's forms."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _TIME.fullmatch(value) or not seconds(value):
        raise ValueError(
            f"{name}: expected a time such as 11:30:00 (HH:MM:SS), or in another of Slurm's forms (MM, MM:SS, D-HH, "
            f"D-HH:MM, D-HH:MM:SS), got {value!r}"
        )
    return value


def seconds(time: str) -> int:
    """Seconds in one of Slurm's forms: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""
    days, _, rest = time.rpartition("-")
    numbers = [int(part) for part in rest.split(":")]
    if days:
        hours, minutes, last = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, last = numbers
    else:
        hours, (minutes, last) = 0, [*numbers, 0][:2]
    return ((24 * int(days or 0) + hours) * 60 + minutes) * 60 + last

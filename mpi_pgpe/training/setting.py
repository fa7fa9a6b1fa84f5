"""What is known of a setting: a row of the table in settings.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal

Check = Callable[[str, Any], Any]
"""check(name, value) returns the value in its type, or raises ValueError."""

Group = Literal["function", "environment", "policy", "search", "stopping", "saving", "failures"]
Resume = Literal["same", "may change", "not of the run"]
"""What a resume may do with a setting; "not of the run" says where and how long, and nothing about the result."""

GROUPS: dict[Group, str] = {
    "function": "A function in place of an environment",
    "environment": "Environment and evaluation",
    "policy": "Policy",
    "search": "Search",
    "stopping": "When a run ends",
    "saving": "Saving and resuming",
    "failures": "Failures",
}
"""The groups in their order, with their titles."""


ALWAYS_THERE = object()
"""In place of an earlier value: the first version had the setting already."""


class Follows:
    """A default that is computed from other settings.

    Args:
        expression: in Python, of settings that stand above.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._code = compile(expression, "<default>", "eval")

    def value(self, settings: Mapping[str, Any]) -> Any:
        """The default, given the settings that it is computed from."""
        return eval(self._code, {"__builtins__": {}}, {name: settings.get(name) for name in self._code.co_names})

    def __repr__(self) -> str:
        return self.expression


@dataclass(frozen=True)
class Setting:
    """A row of the table.

    Attributes:
        name: of the setting.
        group: see GROUPS.
        default: its value, or how it follows from others.
        shown: the default for the reader, where its value does not say it.
        check: makes a good value of what a user gave.
        comment: one line that explains it.
        resume: whether a run that is resumed must have the same, may have another, or is not concerned.
        ranks: whether every rank needs it, not rank 0 alone.
        aliases: what other libraries call it.
        before: what it was in runs made before there was such a setting, or ALWAYS_THERE; their checkpoints go on.
    """

    name: str
    group: Group
    default: Any
    check: Check
    comment: str
    resume: Resume
    ranks: bool
    aliases: tuple[str, ...] = ()
    shown: str | None = None
    before: Any = ALWAYS_THERE


def make_field(
    default: Any,
    check: Check,
    group: Group,
    comment: str,
    *,
    resume: Resume = "same",
    aliases: tuple[str, ...] = (),
    shown: str | None = None,
    before: Any = ALWAYS_THERE,
) -> Any:
    """A field of the dataclass that is the table; see `Setting`."""
    return field(
        metadata={
            "default": default,
            "check": check,
            "group": group,
            "comment": comment,
            "resume": resume,
            "aliases": aliases,
            "shown": shown,
            "before": before,
        }
    )


def build_table(settings: Any, of_ranks: Any) -> dict[str, Setting]:
    """The rows of a dataclass whose fields are made by `make_field`, by name and in the order of the groups."""
    ranks = {each.name for each in fields(of_ranks)}
    every: tuple[Field[Any], ...] = fields(settings)
    rows = [Setting(name=each.name, ranks=each.name in ranks, **each.metadata) for each in every]
    order = list(GROUPS)
    return {each.name: each for each in sorted(rows, key=lambda each: order.index(each.group))}


def fill_defaults(rows: Mapping[str, Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, and the defaults of all other settings."""
    values = dict(given)
    for name, each in rows.items():
        if name not in values and not isinstance(each.default, Follows):
            values[name] = copy.deepcopy(each.default)
    for name, each in rows.items():
        if name not in values:
            values[name] = each.default.value(values)
    return values

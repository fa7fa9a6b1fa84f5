"""YAML with plain values alone, in the types that the settings have.

YAML 1.1, which PyYAML reads, has 11:30:00 for a number to the base of 60, 1e5 for text, and `no` for False. Here the
first is text, the second a number and the third text, as in YAML 1.2.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
    """A SafeLoader with the scalars of YAML 1.2, and without aliases: a few lines of these hold millions of values."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias (*name), which is not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):  # one of them would vanish
            raise yaml.YAMLError(f"an entry stands there twice: {next(n for n in names if names.count(n) > 1)!r:.100}")
        return super().construct_mapping(node, deep)


_SCALARS = {
    "null": (r"~|null|Null|NULL|None|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
for _kind, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def load(content: bytes) -> Any:
    """What the YAML says.

    Raises:
        ValueError: it says nothing, or something that is no plain value.
    """
    try:
        return yaml.load(content, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None

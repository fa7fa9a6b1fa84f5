"""Environments and wrappers that a program gives as classes or functions, and the names that stand for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mpi_pgpe.envs.interface import UnknownEnvironment

SCRIPT = "__main__"
"""The module of what stands in a script or a notebook itself."""

_given: dict[str, Callable[..., Any]] = {}


def give_name(creator: Callable[..., Any]) -> str:
    """The name of a class or function that makes or wraps environments: from now on it stands for it in this process.

    Returns:
        `module:name`; of a lambda or a function within a function it is that which Python gives it.

    Raises:
        UnknownEnvironment: it has no name.
    """
    if not (inspect.isclass(creator) or inspect.isroutine(creator)):
        raise UnknownEnvironment(
            f"expected the name of an environment, or a class or function that makes it, got {creator!r:.100}; "
            "define a function that returns it"
        )
    name = f"{creator.__module__}:{creator.__qualname__}"
    _given[name] = creator
    return name


def find_given(name: str) -> Callable[..., Any] | None:
    """What was given under a name."""
    return _given.get(name)

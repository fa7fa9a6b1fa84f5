"""Code of users that stands for itself by a name, `module:name`: what a program gave, or what stands in a module."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.base.global_generators import seed_while_importing
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.training.settings import BadSettings

Code = Callable[..., Any]


class NamedCode:
    """What the names of one setting stand for in this process.

    Args:
        setting: its name.
        what: the code is: "a function".
        given_to: the function of the package that takes such code from a program.
    """

    def __init__(self, setting: str, what: str, given_to: str) -> None:
        self._setting, self._what, self._given_to = setting, what, given_to
        self._given: dict[str, Code] = {}
        self._found: dict[str, Code] = {}

    def give(self, code: Code) -> str:
        """A name that stands for this code from now on."""
        kind = code if hasattr(code, "__qualname__") else type(code)
        name = f"{kind.__module__}:{kind.__qualname__}"
        self._given[name] = code
        return name

    def known(self, name: str) -> Code | None:
        """What was given, or found, under this name; nothing is imported."""
        return self._given.get(name) or self._found.get(name)

    def find(self, name: str) -> Code:
        """The code of a name, of which the part behind the colon may have dots.

        Raises:
            BadSettings: there is none.
        """
        if name in self._given:
            return self._given[name]
        self._found[name] = found = self._import(name)
        return found

    def _import(self, name: str) -> Code:
        module, _, path = name.rpartition(":")
        if not module or not path:
            raise BadSettings(f"{self._setting}: expected {self._what}, named module:name, got {name!r}")
        if module == "__main__":
            raise BadSettings(
                f"{self._setting}: {name!r} stood in the script that used it. Give it to {self._given_to} again, or "
                "put it in a module of its own"
            )
        try:
            with Inside(), seed_while_importing():
                found: Any = importlib.import_module(module)
        except (Exception, SystemExit) as error:  # what a module raises when it is imported may be anything
            hint = "; is it on PYTHONPATH?" if isinstance(error, ModuleNotFoundError) else ""
            raise BadSettings(
                f"{self._setting}: module {module!r} cannot be imported ({describe_error(error)}){hint}"
            ) from None
        try:
            for part in path.split("."):
                found = getattr(found, part)
        except AttributeError:
            raise BadSettings(f"{self._setting}: module {module!r} has no {path!r}") from None
        if not callable(found):
            raise BadSettings(f"{self._setting}: expected {self._what}, got {type(found).__name__} in {name!r}")
        return found


FUNCTIONS = NamedCode("function", "a function", "mpi_pgpe.maximize")
NETWORKS = NamedCode("policy", "a class", "mpi_pgpe.train_agent")

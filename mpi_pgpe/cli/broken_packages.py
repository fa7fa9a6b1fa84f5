"""Libraries and simulators that are installed, as pip sees it, and cannot be imported; for `doctor`."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import warnings
from typing import NamedTuple

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.envs.quiet import silent_output

_HAS = {
    "mujoco": ("mujoco", "MjModel"),
    "gymnasium": ("gymnasium", "Env"),
    "gym": ("gym", "Env"),
    "pybullet": ("pybullet", "connect"),
    "Box2D": ("Box2D", "b2World"),
}
"""(module, a name that is in it) by package."""


class Broken(NamedTuple):
    """What is wrong with a package, and the command that mends it."""

    package: str
    finding: str
    do: str


def find_broken_packages() -> list[Broken]:
    """Import those that are installed; returns what cannot be."""
    found = []
    for package, (module, name) in _HAS.items():
        version = _version(package)
        if version is None:
            continue
        try:
            with silent_output(), warnings.catch_warnings():
                getattr(importlib.import_module(module), name)
        except (Exception, SystemExit) as error:  # whatever a damaged package may raise
            family = [package, *(one for one in _needs(package) if one.startswith(f"{package}-") and _version(one))]
            found.append(
                Broken(
                    package,
                    f"{package} {version} is installed, but cannot be imported ({describe_error(error)}). An upgrade "
                    "in place can remove files that the new version brought; pip check does not see it",
                    f"pip install --force-reinstall --no-deps {' '.join(f'{one}=={_version(one)}' for one in family)}",
                )
            )
    return found


def _needs(package: str) -> list[str]:
    return list(dict.fromkeys(re.split(r"[^\w.-]", text)[0] for text in importlib.metadata.requires(package) or []))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

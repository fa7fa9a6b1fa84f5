"""The versions of simulators and libraries that a fast path was verified with to have their bits."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any

FORKS = {"pybullet": ("pybullet-arm64",)}
"""Packages that bring a module of another name and are looked for first."""


def find_distribution(module: str) -> tuple[str, str]:
    """(name, version) of what a module was installed as.

    Forks keep the name of the module and have one of their own: pybullet-arm64 brings pybullet. A module that was not
    installed, but found on the path, says its version itself, or "unknown" stands for it.
    """
    for name in (module, *FORKS.get(module, ())):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return name, importlib.metadata.version(name)
    # Looking through all that is installed takes a second.
    for name in importlib.metadata.packages_distributions().get(module, []):
        return name, importlib.metadata.version(name)
    return module, str(getattr(sys.modules.get(module), "__version__", "unknown"))


def explain_unverified(env: Any, verified: Mapping[str, set[str]], whose: str) -> str | None:
    """Why an environment cannot have its fast path here, or None.

    Args:
        env: the environment.
        verified: for each package its versions; "1" stands for all that begin with 1, and "FORK 1.2" for that version
            of what another package brings under its name.
        whose: at whose speed it runs then.
    """
    here = {package: find_distribution(package) for package in verified}
    if all(
        ({version, version.partition(".")[0]} if name == package else {f"{name} {version}"}) & verified[package]
        for package, (name, version) in here.items()
    ):
        return None
    known = " with ".join(f"{package} {' or '.join(sorted(versions))}" for package, versions in verified.items())
    found = " and ".join(f"{name} {version}" for name, version in here.values())
    return (
        f"the fast path for {type(env).__name__} is verified for {known}, but here are {found}: the environment runs "
        f"at {whose}'s own speed; env_fast=False says that this is meant"
    )

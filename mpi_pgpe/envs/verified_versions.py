"""The versions of simulators and libraries that a fast path was verified with to have their bits."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any


def explain_unverified(env: Any, verified: Mapping[str, set[str]], whose: str) -> str | None:
    """Why an environment cannot have its fast path here, or None.

    Args:
        env: the environment.
        verified: for each package its versions; "1" stands for all that begin with 1.
        whose: at whose speed it runs then.
    """
    here = {package: importlib.metadata.version(package) for package in verified}
    if all({version, version.partition(".")[0]} & verified[package] for package, version in here.items()):
        return None
    known = " with ".join(f"{package} {' or '.join(sorted(versions))}" for package, versions in verified.items())
    found = " and ".join(f"{package} {version}" for package, version in here.items())
    return (
        f"the fast path for {type(env).__name__} is verified for {known}, but here are {found}: the environment runs "
        f"at {whose}'s own speed; env_fast=False says that this is meant"
    )

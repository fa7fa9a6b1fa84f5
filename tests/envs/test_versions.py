"""The versions of what serves an environment, also where a fork or a copy does."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from mpi_pgpe.envs import verified_versions
from mpi_pgpe.envs.verified_versions import explain_unverified, find_distribution


def install(folder: Path, name: str, version: str, module: str) -> None:
    """A package of another name than its module, as pip leaves it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(f"{module}\n")
    (folder / f"{module}.py").write_text("")


def test_a_fork_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "a-forked-simulator", "3.2.8", "a_simulator")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_distribution("a_simulator") == ("a-forked-simulator", "3.2.8")
    told = explain_unverified(object(), {"a_simulator": {"3.2.8"}}, "its library")
    assert told is not None, "what was proved with the original does not hold for the fork"
    assert "verified for a_simulator 3.2.8, but here are a-forked-simulator 3.2.8" in told
    assert explain_unverified(object(), {"a_simulator": {"1.0", "a-forked-simulator 3.2.8"}}, "its library") is None
    told = explain_unverified(object(), {"a_simulator": {"1.0", "a-forked-simulator 3.2.9"}}, "its library")
    assert told is not None
    assert "verified for a_simulator 1.0 or a-forked-simulator 3.2.9, but here are" in told


def test_a_known_fork_is_found_without_a_look_at_all_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That look takes a second, and is taken for each environment that is made."""
    install(tmp_path, "a-forked-simulator", "3.2.8", "a_simulator")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(verified_versions.FORKS, "a_simulator", ("another-fork", "a-forked-simulator"))
    monkeypatch.setattr(importlib.metadata, "packages_distributions", None)
    assert find_distribution("a_simulator") == ("a-forked-simulator", "3.2.8")


def test_a_module_that_was_not_installed_may_say_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_copy.py").write_text("__version__ = '1.5'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_distribution("a_copy") == ("a_copy", "unknown")  # before it is imported
    __import__("a_copy")
    assert find_distribution("a_copy") == ("a_copy", "1.5")


def test_what_is_installed_is_that() -> None:
    assert find_distribution("numpy")[0] == "numpy"
    assert explain_unverified(object(), {"numpy": {"1", "2"}}, "its library") is None

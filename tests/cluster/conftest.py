"""Hosts and a Slurm for the tests in this folder; they are up while the tests run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import NODES, Hosts, Slurm


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    """The hosts, up."""
    assert os.getuid() == 0, "the tests marked slurm need root"
    found = Hosts()
    found("up", str(NODES))
    yield found
    found("down")


@pytest.fixture(scope="session")
def slurm(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The Slurm, up."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # not pytest's, which is closed to munged
    folder.chmod(0o755)
    found = Slurm(folder, tmp_path_factory.mktemp("project"))
    try:
        found.up()
        yield found
    finally:
        found.down()

"""The site of docs/ is built without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from places import ROOT

import mpi_pgpe

pytestmark = [
    pytest.mark.launches,
    pytest.mark.skipif(
        not find_spec("mkdocstrings"), reason="mkdocs is not installed: bin/test installs the extra 'docs'"
    ),
]


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site"), *arguments]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_the_reference_has_every_public_name() -> None:
    listed = {line.rpartition(".")[2] for line in (ROOT / "docs/reference.md").read_text().splitlines()}
    assert set(mpi_pgpe.__all__) - {"__version__"} <= listed


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for path in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "site" / path.with_suffix(".html").name).exists()
    reference = (tmp_path / "site/reference.html").read_text()
    assert "num_interactions" in reference
    assert (tmp_path / "site/benchmarks/scaling.png").exists()

"""findings/: the table and the scripts agree. What the scripts find is looked at by findings/run, not here."""

from __future__ import annotations

import os
import re

import pytest
from places import ROOT

pytestmark = pytest.mark.serial

FINDINGS = ROOT / "findings"
README = (FINDINGS / "README.md").read_text()
SCRIPTS = sorted(path for path in FINDINGS.glob("*.sh") if path.name[0] != "_")
ROWS = re.findall(r"^\| `(\w+\.sh)` \|(.+)\|$", README, re.MULTILINE)


def test_each_script_has_one_row():
    assert [name for name, _ in ROWS] == [path.name for path in SCRIPTS]


@pytest.mark.parametrize(("name", "cells"), ROWS, ids=[name for name, _ in ROWS])
def test_rows_are_whole(name, cells):
    expected = ["what one would expect", "what happens", "versions", "what mpi_pgpe does", "where"]
    found = re.split(r"(?<!\\)\|", cells)
    assert len(found) == len(expected), f"expected these cells: {expected}"
    assert all(cell.strip() for cell in found)
    for path in re.findall(r"`((?:mpi_pgpe|tests|slurm|docs|bin)/[\w/.]+)`", cells):
        assert (ROOT / path).exists(), f"{name}: there is no {path}"
    assert re.search(r"\d+\.\d+", found[2]), "expected a version"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_say_what_they_show(script):
    content = script.read_text()
    header = content.split("\n. ")[0]
    assert os.access(script, os.X_OK)
    assert re.match(r"#!/bin/bash\n# \S.+\.\n#\n", content), "expected the finding in one sentence after #!/bin/bash"
    places = [header.find(f"\n# {word}:") for word in ("Versions", "Expected", "Behaviour")] + [header.find("\n# Seen")]
    assert -1 not in places
    assert places == sorted(places)
    assert re.search(r"\n# Seen.*:\n#   \S", header), "expected the output that was seen"
    assert '\n. "$(dirname "$0")/_common.sh"\n' in content
    assert content.rstrip().endswith(("verdict $?", "verdict $code"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_versions_are_pinned_and_none_of_ours_runs(script):
    content = script.read_text()
    for line in re.findall(r"^(?:packages|layer \S+) (.+)$", content, re.MULTILINE):
        for word in line.split(" #")[0].split():
            assert word.startswith("--") or word == '"$TORCH"' or "venv" in word or re.match(r"[\w.-]+==\d", word), word
    body = content.split('_common.sh"', 1)[1]
    assert "mpi_pgpe" not in body

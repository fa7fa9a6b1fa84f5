"""The tables in benchmarks/README.md are those of the committed results."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import ROOT

pytestmark = pytest.mark.serial

RESULTS = ROOT / "benchmarks/results"


def rows(text: str) -> list[list[str]]:
    """The cells of a table's lines, without the line below its head."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [line for line in cells if set("".join(line)) != {"-"}]


def section(heading: str) -> str:
    """A section of the page, by the start of its heading."""
    (found,) = (part for part in (ROOT / "benchmarks/README.md").read_text().split("\n## ") if part.startswith(heading))
    return found


def test_the_table_of_episodes_alone() -> None:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "benchmarks/alone.py",
        "--table",
        "--results",
        str(RESULTS / "alone.jsonl"),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert rows(section("Episodes alone")) == rows(shown)
    assert {row[-2] for row in rows(shown)[1:]} == {"0"}, "differing"


def test_the_table_of_trainings_on_ranks() -> None:
    found = json.loads((RESULTS / "same_on_ranks.json").read_text())
    *trainings, digests = found["rows"]
    expected = [
        [row["ranks"], str(row["runs"]), str(row["generations"]), str(row["different"]), row["last digest"]]
        for row in trainings
    ]
    assert rows(section("Trainings on several"))[1:] == expected
    assert {row["different"] for row in trainings} == {0}
    assert {row["last digest"] for row in trainings} == {digests["digests"].split()[-1]}

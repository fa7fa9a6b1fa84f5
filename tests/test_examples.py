"""The examples, run as a user runs them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from places import ROOT, python_path
from programs import run_program

EXAMPLES = ROOT / "examples"
RUNS = {"ellipsoid.py": 8, "fit_network.py": 5, "tune_program.py": 4, "own_network.py": 50, "stacked_pictures.py": 12}
"""Generations that make a difference."""
AT_LEAST = {
    "ellipsoid.py": r"start, -([\d.]+) at the end",
    "fit_network.py": r"error: ([\d.]+)",
    "tune_program.py": r"cost: ([\d.]+)",
    "own_network.py": r"missed by ([\d.]+) \(GRU\)",
    "stacked_pictures.py": r"missed: ([\d.]+)",
}


def run_example(name: str, generations: int, folder: Path, ranks: int) -> str:
    done = run_program(
        "-W",
        "ignore",
        str(EXAMPLES / name),
        str(generations),
        ranks=ranks,
        cwd=folder,
        timeout=300,
        env=os.environ | {"PYTHONPATH": python_path()},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.launches
@pytest.mark.parametrize("name", RUNS)
def test_an_example_improves_and_is_the_same_on_two_ranks(name: str, tmp_path: Path) -> None:
    number = re.compile(AT_LEAST[name])
    first, later = (run_example(name, generations, tmp_path, 1) for generations in (1, RUNS[name]))
    found = [number.search(text) for text in (first, later)]
    assert all(found)
    values = [float(match[1]) for match in found if match]
    assert values[1] < values[0]
    (line,) = set(run_example(name, RUNS[name], tmp_path, 2).splitlines())
    assert line == later.strip()


def test_every_example_is_run() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py") if "mpi_pgpe.maximize" in path.read_text()}
    assert scripts <= set(RUNS)

"""The benchmarks run, and what they compare a rank with knows nothing of this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import HELPERS, ROOT, python_path

sys.path.insert(0, str(ROOT / "benchmarks"))
import start

pytestmark = [
    pytest.mark.launches,
    pytest.mark.skipif(np.__version__ >= "2", reason="gym's own wrappers want an older numpy"),
]

SHOW = """
ours = [module for module in sys.modules if module.startswith("mpi_pgpe")]
print(env.spec.id, "gym" in sys.modules, "gymnasium" in sys.modules, ours)
"""


def baseline(name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", start.BASELINE + SHOW, name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [*start.ENVIRONMENTS, "gym/CartPole-v1"])
def test_the_baseline_of_start_loads_nothing_of_this_package(name: str) -> None:
    if "Bullet" in name:
        pytest.importorskip("pybullet")
    done = baseline(name)
    assert done.returncode == 0, done.stderr
    library, _, id = name.rpartition("/")
    assert done.stdout.splitlines()[-1] == f"{id} {library != 'gymnasium'} {library == 'gymnasium'} []"


def test_the_baseline_of_start_takes_no_other_environment_of_the_same_name() -> None:
    assert "NamespaceNotFound" in baseline("mpi_pgpe/CartPole-v1").stderr


def alone(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "benchmarks/alone.py"
    command = [sys.executable, str(program), "--processes", "1", "--fresh", "3", "--results", str(results), *arguments]
    path = python_path(HELPERS)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path})


def test_alone_counts_episodes_that_differ_and_goes_on_where_it_was(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    done = alone(results, "odd_envs:Leaky", "--episodes", "8", "--block", "4")
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(row["first"], row["episodes"], row["differing"]) for row in rows] == [(0, 4, 4), (4, 4, 4)]
    assert {which["episode"] for which in rows[1]["which"]} == {4, 5, 6, 7}

    cut_off = results.read_text()[:-20]  # the second block, killed as it was written
    results.write_text(cut_off)
    again = alone(results, "odd_envs:Leaky", "--episodes", "8", "--block", "4")
    assert again.returncode == 1, again.stderr
    lines = results.read_text().splitlines()
    assert lines[0] == cut_off.splitlines()[0]
    assert json.loads(lines[-1])["first"] == 4

    tame = alone(results, "odd_envs:Walk", "--episodes", "8", "--table")
    assert tame.returncode == 0, tame.stderr
    lines = [line.split("|") for line in tame.stdout.splitlines() if line.startswith("| odd")]
    table = {line[1].strip(): line[-3].strip() for line in lines}
    assert table == {"odd_envs:Leaky": "8", "odd_envs:Walk": "0"}


SMALLEST = [
    "bullet.py --repeats 1 --env HopperBulletEnv-v0 --steps 100",
    "first_normalization.py --env gymnasium/Hopper-v5 --seeds 1 --popsize 4 --steps 1000",
    "idle.py --generations 1",
    "num_interactions.py --generations 2 --seeds 1 2000:None",
    "policies.py --repeats 1 --steps 20",
    "profile_cost.py --repeats 1 --env CartPole-v1 --steps 100",
    "rollout.py --repeats 1 --env CartPole-v1 --steps 100",
    "ties.py --seeds 1 --car-seeds 1 --generations 1 --draws 10",
    "update.py --repeats 1 --cases 40000x3985",
]


@pytest.mark.slow
@pytest.mark.parametrize("line", SMALLEST, ids=lambda line: line.partition(".")[0])
def test_a_benchmark_runs_and_shows_a_table(line: str) -> None:
    if "Bullet" in line:
        pytest.importorskip("pybullet")
    program, *arguments = line.split()
    command = [sys.executable, str(ROOT / "benchmarks" / program), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": python_path()}
    )
    assert done.returncode == 0, done.stderr
    assert any(row.startswith("|--") for row in done.stdout.splitlines())


def same_on_ranks(folder: Path, env: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the rows of the trainings in `folder`."""
    program, figures = ROOT / "benchmarks/same_on_ranks.py", folder / "figures.json"
    command = [sys.executable, str(program), "--folder", str(folder), "--json", str(figures), "--generations", "6"]
    command += ["--ranks", "1", "2", "--with", f"env_name=odd_envs:{env}", "popsize=20", "num_hidden=0"]
    path = python_path(HELPERS)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path})
    assert figures.exists(), done.stderr
    return done.returncode, json.loads(figures.read_text())["rows"]


@pytest.mark.slow
def test_same_on_ranks_finds_the_same_and_trains_what_is_missing_alone(tmp_path: Path) -> None:
    code, rows = same_on_ranks(tmp_path, "Slow")
    assert code == 0
    assert [(row["ranks"], row["runs"], row["different"]) for row in rows[:-1]] == [
        ("1", 1, 0),
        ("2", 1, 0),
        ("2, killed, then 3", 2, 0),
    ]
    assert len(set(rows[-1]["digests"].split())) == 6
    code, again = same_on_ranks(tmp_path, "Slow")
    assert code == 0
    assert [row["seconds"] for row in again[:-1]] == [0, 0, 0]
    assert again[-1] == rows[-1]


@pytest.mark.slow
def test_same_on_ranks_finds_what_differs(tmp_path: Path) -> None:
    """Leaky's rewards depend on how many episodes its rank has played."""
    code, rows = same_on_ranks(tmp_path, "Leaky")
    assert code == 1
    assert [row["different"] > 0 for row in rows[:-1]] == [False, True, True]

"""Which generations a record holds, where it is damaged, too."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mpi_pgpe.runs.recorded_generations import RecordedGenerations, find_recorded

LINES = [
    json.dumps({"step": g, "timestamp": "t", "generation": g, "pop_mean": 1.5}).encode() + b"\n" for g in range(1, 7)
]


def make(folder: Path, lines: list[bytes]) -> dict[str, str]:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"status": "RUNNING"}')
    (folder / "metrics.jsonl").write_bytes(b"".join(lines))
    return {"folder": str(folder)}


def found(*runs: dict[str, str], generation: int = 4, last_elsewhere: int | None = None) -> tuple[list[int], list[str]]:
    told: list[str] = []
    steps = find_recorded(runs, generation, lambda run: last_elsewhere, told.append)
    return [g for g in range(1, 10) if g in steps], told


def test_all_of_a_record_and_no_line_that_is_cut_off(tmp_path: Path) -> None:
    assert found(make(tmp_path / "1", [*LINES, LINES[0][:-5]])) == ([1, 2, 3, 4, 5, 6], [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"step": 3', b'"step": 93'),  # a later step than any
        lambda line: line.replace(b'"step": 3', b'"step": 4'),
        lambda line: line.replace(b'"step"', b'"stop"'),
        lambda line: line.replace(b"{", b"["),
        lambda line: b"\xff" * 30 + b"\n",
        lambda line: b"[" * 90_000 + b"\n",
        lambda line: b"7\n",
    ],
)
def test_a_damaged_line_is_told_and_its_generation_is_missing(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    run = make(tmp_path / "1", [*LINES[:2], damage(LINES[2]), *LINES[3:]])
    steps, told = found(run)
    assert steps == [1, 2, 4, 5, 6]
    assert told == [f"{tmp_path}/1/metrics.jsonl: damaged in line 3; what was there is recorded again in this run"]


def test_what_cannot_be_read_is_missing(tmp_path: Path) -> None:
    runs = [make(tmp_path / str(number), LINES) for number in (1, 2, 3)]
    for number, place in ((1, "metrics.jsonl"), (2, "metrics.jsonl"), (3, "run.json")):
        path = tmp_path / str(number) / place
        path.unlink()
        if number == 1:
            os.mkfifo(path)
        elif number == 2:
            path.symlink_to("/dev/zero")
        else:
            path.write_bytes(b"damaged")
    steps, told = found(*runs)
    assert steps == []
    assert len(told) == 3
    assert all("is recorded again" in line for line in told)


def test_where_a_record_is_gone_what_it_held_is_not_wanted(tmp_path: Path) -> None:
    gone, later = {"folder": str(tmp_path / "gone")}, make(tmp_path / "2", LINES[2:])
    assert found(gone) == ([1, 2, 3, 4], [])
    assert found(gone, later) == ([1, 2, 3, 4, 5, 6], [])
    assert found(later) == ([3, 4, 5, 6], [])
    assert found(gone, last_elsewhere=2) == ([1, 2], [])
    assert 1 not in RecordedGenerations()

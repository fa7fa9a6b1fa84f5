"""compare, on runs that the command line recorded in folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
from recorded_runs import as_plain_sacred_has_it

from mpi_pgpe import compare

pytestmark = pytest.mark.launches
pytest_plugins = ["recorded_runs"]


def compared(capsys, *arguments) -> tuple[int, str, dict]:
    code = compare.main([*map(str, arguments), "--json"])
    lines = capsys.readouterr().out.splitlines()
    return code, lines[0], json.loads(lines[-1])


def test_one_rank_and_two_are_the_same_run(results, capsys):
    code, line, result = compared(capsys, results / "1", results / "4")
    assert code == 0
    assert line == "the same: every metric of 4 generations, but for those of times and ranks"
    assert result["same"]
    assert result["first_difference"] is None


def test_another_seed_is_another_run(results, capsys):
    code, line, result = compared(capsys, results / "1", results / "2")
    assert code == 1
    assert result["first_difference"]["generation"] == 1
    assert result["differing_settings"] == ["seed"]
    assert "generation 1" in line


def test_the_first_generation_and_metric_that_differ(results, tmp_path, capsys):
    other = tmp_path / "other"
    recorded = as_plain_sacred_has_it(results / "1", other)
    value = recorded["stdev_mean"]["values"][2]
    recorded["stdev_mean"]["values"][2] = changed = float(np.nextafter(value, 1))
    recorded["timesteps"]["values"][3] += 1
    recorded["elapsed"]["values"][0] += 1  # times do not count
    (other / "metrics.json").write_text(json.dumps(recorded))
    code, line, result = compared(capsys, results / "1", other)
    assert code == 1
    assert result["first_difference"] == {"generation": 3, "metric": "stdev_mean", "values": [value, changed]}
    assert line.startswith("they differ first in generation 3: stdev_mean is ")


def test_a_shorter_run_is_not_the_same(results, tmp_path, capsys):
    other = tmp_path / "other"
    recorded = as_plain_sacred_has_it(results / "1", other)
    for metric in recorded.values():
        keep = [step <= 3 for step in metric["steps"]]
        for key in metric:
            metric[key] = [v for v, kept in zip(metric[key], keep, strict=True) if kept]
    (other / "metrics.json").write_text(json.dumps(recorded))
    code, line, result = compared(capsys, results / "1", other)
    assert code == 1
    assert (result["first_difference"]["generation"], result["generations"]) == (4, [4, 3])
    assert line.endswith("does not; they are the same before it")


def test_a_record_that_begins_later_is_told_as_that(results, tmp_path, capsys):
    other = tmp_path / "other"
    recorded = as_plain_sacred_has_it(results / "1", other)
    for metric in recorded.values():
        keep = [step > 1 for step in metric["steps"]]
        for key in metric:
            metric[key] = [v for v, kept in zip(metric[key], keep, strict=True) if kept]
    (other / "metrics.json").write_text(json.dumps(recorded))
    code, line, _ = compared(capsys, results / "1", other)
    assert code == 1
    assert line.startswith(f"{results / '1'} has generation 1, {other} begins later, as the record of a resumed run")


def test_nan_equals_nan(results, tmp_path, capsys):
    for name in ("a", "b"):
        recorded = as_plain_sacred_has_it(results / "1", tmp_path / name)
        recorded["pop_best"]["values"][0] = float("nan")
        (tmp_path / name / "metrics.json").write_text(json.dumps(recorded))
    assert compared(capsys, tmp_path / "a", tmp_path / "b")[0] == 0
    assert compared(capsys, tmp_path / "a", results / "1")[2]["first_difference"]["values"][0] is None

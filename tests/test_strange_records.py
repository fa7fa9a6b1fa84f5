"""plot and compare, on run folders that hold something else than this program records."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from mpi_pgpe import compare, plot
from mpi_pgpe.runs.reader import read_runs

pytestmark = pytest.mark.launches
pytest_plugins = ["recorded_runs"]


@pytest.mark.parametrize("tool", [plot, compare])
def test_what_is_no_run_is_refused(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path), str(tmp_path)]) != 0
    assert "expected the folder of a recorded run" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tool", [compare, plot])
@pytest.mark.parametrize("file", ["run.json", "config.json", "metrics.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "device", "link", "large"])
def test_what_is_no_file_of_the_record_is_refused_without_waiting(results, tmp_path, capsys, tool, file, kind):
    run = tmp_path / "1"
    shutil.copytree(results / "1", run)
    path = run / file
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "link":
        (tmp_path / "outside").write_bytes(content)
        path.symlink_to(tmp_path / "outside")
    else:
        with path.open("wb") as large:
            large.truncate(2**40)  # takes no space on the disk
    assert tool.main([str(run), str(results / "2")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{path}: cannot be read: " in err


def test_a_record_cannot_forge_a_line_or_a_colour(results, tmp_path, capsys):
    run = tmp_path / "1"
    shutil.copytree(results / "1", run)
    forged = "x\nthe same: every metric of 4 generations, but for those of times and ranks\x1b[2J"
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {forged: 1}))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line | {"\nthe same": 1}) + "\n" for line in lines))
    assert compare.main([str(run), str(results / "1")]) == 1
    out = capsys.readouterr().out
    assert "\nthe same" not in out
    assert "\x1b" not in out
    assert out.startswith("they differ first in generation 1: ?the same is 1 in ")


def test_links_among_runs_are_not_followed(results, tmp_path, capsys):
    (tmp_path / "1").symlink_to(results / "1")
    shutil.copytree(results / "2", tmp_path / "2")
    assert [run.name for run in read_runs([str(tmp_path)], None)] == [str(tmp_path / "2")]
    assert f"{tmp_path}/1: a link, which is not followed; name it by itself" in capsys.readouterr().err


@pytest.mark.parametrize("metric", ["pop_mean", "timesteps"])
def test_values_that_are_too_large_to_draw_are_told_in_one_line(results, tmp_path, capsys, metric):
    run = tmp_path / "1"
    shutil.copytree(results / "1", run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines[1][metric] = -1e308
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert plot.main([str(run), "-o", str(tmp_path / "x.png")]) == 2
    assert capsys.readouterr().err == (
        f"plot: {run}: {metric} is -1e+308 in generation 2, which is too large to draw\n"
    )


def test_a_picture_that_needs_a_program_is_drawn_or_refused_in_one_line(results, tmp_path, capsys):
    code = plot.main([str(results / "1"), "-o", str(tmp_path / "x.pgf")])
    err = capsys.readouterr().err
    if code:  # without LaTeX
        assert f"{tmp_path}/x.pgf: cannot be drawn: " in err
        assert err.count("\n") == 1
    else:
        assert (tmp_path / "x.pgf").exists()

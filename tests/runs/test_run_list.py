"""`python -m mpi_pgpe.runs`: recorded runs at a glance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import kill_with_descendants, run_program

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.runs.__main__ import format_age, main
from mpi_pgpe.runs.summary import summarize_folders

pytestmark = [pytest.mark.launches, pytest.mark.serial]

FAST = ["fast", "popsize=4", "num_interactions=None", "re_eval_num_episodes=2", "re_eval_interval=2"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs 1 (4 generations), 2 (6 generations of another environment), and 3, which was killed."""
    folder: Path = tmp_path_factory.mktemp("results")
    for settings in (["niters=4", "seed=1"], ["niters=6", "seed=2", "env_name=Acrobot-v1", "max_episode_length=20",
                                              "re_eval_max_episode_length=20"]):  # fmt: skip
        done = run_program("-m", "mpi_pgpe.train", "-l", "WARNING", "-F", folder, "with", *FAST, *settings)
        assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", str(folder), "with", *FAST, "seed=3",
               "niters=100000", "env_name=odd_envs:Slow"]  # fmt: skip
    environ = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        try:
            while not ((folder / "3/metrics.jsonl").exists() and (folder / "3/metrics.jsonl").stat().st_size):
                assert started.poll() is None
                time.sleep(0.05)
            alive = {Path(run.run).name: run.status for run in summarize_folders(folder)}
        finally:
            kill_with_descendants(started)
    assert alive == {"1": "COMPLETED", "2": "COMPLETED", "3": "RUNNING"}
    return folder


def listed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[list[str]]:
    """The lines of the table, in columns, without the first."""
    assert main([str(argument) for argument in arguments]) == 0
    names, *lines = capsys.readouterr().out.splitlines()
    assert names.split() == ["run", "status", "environment", "generation", "best", "age", "host"]
    starts = [names.index(f"{name}") for name in names.split()]
    ends = [*starts[1:], None]
    return [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines]


def test_a_line_a_run(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = listed(capsys, results)
    best = max(
        line["re_eval_mean"] for line in map(json.loads, (results / "1/metrics.jsonl").open()) if "re_eval_mean" in line
    )
    assert one[:5] == [str(results / "1"), "COMPLETED", "CartPole-v1", "4/4", f"{best:.6g}"]
    assert one[5].endswith("s")
    assert one[6] == os.uname().nodename
    assert two[1:4] == ["COMPLETED", "Acrobot-v1", "6/6"]
    assert three[1:3] == ["DEAD", "odd_envs:Slow"]
    assert int(three[3].removesuffix("/100000")) >= 1


def test_chosen_and_sorted(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(*arguments: str) -> list[str]:
        return [Path(line[0]).name for line in listed(capsys, results, *arguments)]

    assert numbers("--sort", "generation", "--reverse")[0] in {"2", "3"}
    assert numbers("--sort", "date", "--reverse") == ["3", "2", "1"]
    assert numbers("--where", "status=DEAD") == ["3"]
    assert numbers("--where", "env_name=CartPole-v1", "seed=1") == ["1"]
    assert numbers("--where", "env_name=CartPole-v1", "seed=2") == []
    assert numbers("--where", "max_speed=0.30") == ["1", "2", "3"]
    assert main([str(results), "--where", "populaton=3"]) == 2
    assert "got 'populaton'; settings: " in capsys.readouterr().err
    assert main([str(results), "--where", "seed"]) == 2
    assert "expected NAME=VALUE" in capsys.readouterr().err


def test_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(results / "2"), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert (run["generation"], run["niters"], run["config"]["seed"], run["damage"]) == (6, 6, 2, None)
    assert run["started"] < run["heartbeat"]


def test_a_damaged_record_hides_no_other(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in "12":
        shutil.copytree(results / number, tmp_path / number)
    (tmp_path / "1/run.json").write_text('{"status": \n')
    (tmp_path / "3").symlink_to(results / "3")
    lines = listed(capsys, tmp_path)
    assert [line[1] for line in lines[:2]] == ["?", "COMPLETED"]
    assert len(lines) == 3  # and none for the link
    assert main([str(tmp_path)]) == 0
    assert f"damaged: {tmp_path / '1/run.json'}: is damaged" in capsys.readouterr().out


def test_a_name_with_line_breaks_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/run.json").write_text('{"status": "COMPLETED\\n9 forged"}')
    (line,) = listed(capsys, tmp_path)
    assert "forged" in line[1]


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_folder_without_runs_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(WrongInput, match="expected a folder of recorded runs, such as results"):
        summarize_folders(tmp_path / folder)


def test_ages() -> None:
    seconds = [None, 0, 59.9, 60, 3600 * 5 + 61, 86400 * 3 + 3600 * 4]
    assert [format_age(s) for s in seconds] == ["?", "0 s", "59 s", "1 min 0 s", "5 h 1 min", "3 d 4 h"]

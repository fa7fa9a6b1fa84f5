"""Runs that are ended and resumed, through the command line: as if nothing had happened."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import HELPERS, python_path
from programs import mpiexec, run_program

from mpi_pgpe.runs.checkpoint import pack, read
from mpi_pgpe.runs.run_folder import read_metric_lines

pytestmark = [pytest.mark.launches, pytest.mark.slow]

TRAIN = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast"]
SMALL = {
    "env_name": "odd_envs:Walk",
    "seed": 3,
    "niters": 9,
    "popsize": 8,
    "popsize_max": 24,
    "num_interactions": 400,
    "re_eval_interval": 4,
    "re_eval_num_episodes": 3,
    "save_interval": 2,
    "checkpoint_seconds": 0,
}
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}


def command(**changes: Any) -> list[str]:
    return [*TRAIN, *(f"{name}={value}" for name, value in (SMALL | changes).items() if value != "unset")]


def train(folder: Path, ranks: int = 1, **changes: Any) -> subprocess.CompletedProcess[str]:
    return run_program(*command(**changes), ranks=ranks, cwd=folder, env=ENVIRONMENT)


def done(run: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert run.returncode == 0, run.stdout + run.stderr
    return run


def recorded(folder: Path, run: int) -> dict[str, list[tuple[int, float]]]:
    content = json.loads((folder / f"results/{run}/metrics.json").read_text())
    measured = {"pop_elapsed", "elapsed", "re_eval_elapsed", "ranks", "idle_fraction", "dropped_fraction"}
    return {n: list(zip(m["steps"], m["values"], strict=True)) for n, m in content.items() if n not in measured}


def joined(folder: Path, *runs: int) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for run in runs:
        for name, points in recorded(folder, run).items():
            found.setdefault(name, []).extend(points)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    done(train(folder))
    return folder


@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 1)])
def test_a_run_that_is_made_longer_equals_the_long_run(whole: Path, tmp_path: Path, first: int, then: int) -> None:
    done(train(tmp_path, first, niters=5))  # re-evaluated at its end, which the long run is not
    text = done(train(tmp_path, then, resume="auto", save_interval=3)).stdout
    assert "generation=6 " in text
    assert "generation=5 " not in text
    expected, found = recorded(whole, 1), joined(tmp_path, 1, 2)
    for name, points in expected.items():
        extra = [point for point in found[name] if point[0] == 5 and name.startswith("re_eval")]
        assert [point for point in found[name] if point not in extra] == points, name
    info = json.loads((tmp_path / "results/2/info.json").read_text())
    assert info["continues"]["folder"] == str(tmp_path / "results/1")
    assert info["continues"]["generation"] == 5
    assert str(info["continues"]["id"]) == "1"


@pytest.mark.parametrize("ranks", [1, 2])
def test_sigterm_ends_in_order_and_the_resumed_run_equals_the_whole_one(
    whole: Path, tmp_path: Path, ranks: int
) -> None:
    launcher = [] if ranks == 1 else [mpiexec(), "-n", str(ranks)]
    slow = {"env_name": "odd_envs:Slow", "checkpoint_seconds": 3600}
    process = subprocess.Popen(
        [*launcher, *command(**slow)],
        cwd=tmp_path,
        env=ENVIRONMENT | {"SECONDS_OF_A_STEP": f"{0.008 * ranks}"},  # so that the signal comes long before the end
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("generation=3 "):
            process.send_signal(signal.SIGTERM if ranks == 1 else signal.SIGUSR1)
            break
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 75, errors
    (last,) = re.findall(r"stopped after generation (\d+): got SIG", errors)  # 3, unless the signal took its time
    assert json.loads((tmp_path / "results/1/run.json").read_text())["status"] == "INTERRUPTED"
    assert (tmp_path / f"results/1/Slow_seed3_iter{last}.pickle").exists()
    assert not (tmp_path / "results/1/completed.json").exists()
    done(train(tmp_path, 3, **slow, resume="results/1"))
    assert joined(tmp_path, 1, 2) == recorded(whole, 1)  # Slow plays as Walk does
    marker = json.loads((tmp_path / "results/2/completed.json").read_text())
    assert marker["state_digest"] == f"{recorded(whole, 1)['state_digest'][-1][1]:012x}"
    assert marker["re_eval_mean"] == recorded(whole, 1)["re_eval_mean"][-1][1]


def test_what_a_run_recorded_that_was_killed_before_its_first_checkpoint_is_not_recorded_again(
    whole: Path, tmp_path: Path
) -> None:
    slow = {"env_name": "odd_envs:Slow", "checkpoint": "c"}
    done(train(tmp_path, **slow, niters=3))
    newest = max((tmp_path / "c").glob("*.npz"))
    before = newest.stat().st_mtime_ns
    process = subprocess.Popen(
        command(**slow, resume="auto", checkpoint_interval=100, niters=50),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("generation=5 "):
                process.kill()
    assert newest.stat().st_mtime_ns == before  # for scripts that ask whether anything was achieved
    assert "generation=4 " in done(train(tmp_path, **slow, resume="auto")).stdout
    found = [
        (line["step"], line["state_digest"])
        for run in (1, 2, 3)
        for line, _ in read_metric_lines(tmp_path / f"results/{run}/metrics.jsonl")
        if line["step"] <= 9
    ]
    assert found == recorded(whole, 1)["state_digest"]


@pytest.mark.parametrize("complete", [{"niters": 2}, {"target_return": -1e9, "re_eval_interval": 1}])
def test_a_complete_run_is_not_run_again(tmp_path: Path, complete: dict[str, Any]) -> None:
    done(train(tmp_path, **complete, checkpoint="c"))
    marker = (tmp_path / "c/completed.json").read_bytes()
    again = done(train(tmp_path, 2, **complete, checkpoint="c", resume="auto"))
    assert again.stdout.startswith("complete already, as c/completed.json says: mean return ")
    assert not (tmp_path / "results/2").exists()
    assert (tmp_path / "c/completed.json").read_bytes() == marker
    further = done(train(tmp_path, niters=3, checkpoint="c", resume="auto"))
    assert "generation=3 " in further.stdout


def test_agents_of_a_resumed_run_are_the_same_files(whole: Path, tmp_path: Path) -> None:
    done(train(tmp_path, 2, niters=5))
    done(train(tmp_path, 3, resume="auto"))
    for name in ("Walk_seed3_iter6.pickle", "Walk_seed3_iter8.pickle", "Walk_seed3_iter9.pickle"):
        assert (tmp_path / "results/2" / name).read_bytes() == (whole / "results/1" / name).read_bytes()


def test_a_walltime_that_is_over_ends_a_run_in_order(tmp_path: Path) -> None:
    run = train(tmp_path, 2, max_walltime="00:00:05")  # that much is kept back for the end
    assert run.returncode == 75, run.stderr
    assert "stopped after generation 0" in run.stderr
    assert "would not be over within max_walltime" in run.stderr


def test_finish_generation_completes_it(tmp_path: Path) -> None:
    told = {"env_name": "odd_envs:ToldToStop", "niters": 50}
    inside_of_the_third = ENVIRONMENT | {"EPISODE_OF_SIGTERM": "40"}  # of 16 for each generation
    for finish, last in ((True, 3), (False, 2)):
        run = run_program(*command(**told, finish_generation=finish), cwd=tmp_path, env=inside_of_the_third)
        assert run.returncode == 75, run.stderr
        assert run.stdout.count("generation=") == last
        assert f"stopped after generation {last}: got SIGTERM" in run.stderr


def test_another_configuration_is_refused_with_what_differs(whole: Path) -> None:
    run = train(whole, popsize=10, max_speed=0.2, niters=20, resume="results/1")
    assert run.returncode == 2
    assert "popsize: 8 there, 10 now" in run.stderr
    assert "max_speed: 0.3 there, 0.2 now" in run.stderr
    assert "niters" not in run.stderr
    assert "Traceback" not in run.stderr
    assert not (whole / "results/2").exists()  # refused before a run was recorded


def test_resume_names_what_is_missing(tmp_path: Path) -> None:
    for place in ("nowhere", "nowhere.npz", "."):
        run = train(tmp_path, resume=place)
        assert run.returncode == 2
        assert "resume" in run.stderr
        assert "Traceback" not in run.stderr


def test_auto_begins_anew_for_another_configuration_and_takes_the_seed_that_was_drawn(tmp_path: Path) -> None:
    done(train(tmp_path, niters=2, seed="unset", checkpoint="c"))
    seed = json.loads((tmp_path / "results/1/config.json").read_text())["seed"]
    text = done(train(tmp_path, niters=3, seed="unset", checkpoint="c", resume="auto")).stdout
    assert "going on from" in text
    assert json.loads((tmp_path / "results/2/config.json").read_text())["seed"] == seed
    text = done(train(tmp_path, niters=1, seed=seed + 1, checkpoint="c", resume="auto")).stdout
    assert "going on from" not in text


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(whole: Path, tmp_path: Path) -> None:
    done(train(tmp_path, niters=6, checkpoint="c"))
    newest = max((tmp_path / "c").glob("*.npz"))
    assert "0000006" in newest.name
    newest.write_bytes(newest.read_bytes()[:-100])
    run = done(train(tmp_path, checkpoint="c", resume="auto"))
    assert newest.name in run.stderr
    assert "trying the one before it" in run.stderr
    assert "generation 5 of run" in run.stdout
    # The damaged one's generation is recorded already, and not recorded again.
    steps = [step for step, _ in joined(tmp_path, 1, 2)["state_digest"]]
    assert steps == list(range(1, 10))
    assert joined(tmp_path, 1, 2)["state_digest"] == recorded(whole, 1)["state_digest"]


def test_a_disk_that_refuses_is_told_once_and_destroys_nothing(whole: Path, tmp_path: Path) -> None:
    small: dict[str, Any] = {"env_name": "odd_envs:SmallFiles", "checkpoint": "c"}
    done(train(tmp_path, **small, niters=4))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del before[tmp_path / "c/completed.json"]  # it is not, any more
    refusing = ENVIRONMENT | {"LARGEST_FILE": "2000"}
    talkative = ["WARNING" if part == "ERROR" else part for part in command(**small, resume="auto")]
    run = done(run_program(*talkative, cwd=tmp_path, env=refusing))
    assert run.stderr.count("cannot write to c: File too large; the run goes on") == 1
    told = run.stderr.count("results/2 cannot be written to: File too large. Training goes on")
    assert 1 <= told <= 1 + run.stderr.count("results/2 can be written to again")  # as small files can
    assert run.stderr.count("the record of this run is not complete") == 1
    assert "Traceback" not in run.stderr
    assert {path: path.read_bytes() for path in before} == before
    marker = json.loads((tmp_path / "c/completed.json").read_text())
    assert marker["state_digest"] == f"{recorded(whole, 1)['state_digest'][-1][1]:012x}"
    again = done(train(tmp_path, **small, resume="auto"))  # now there is room
    assert "generation 4 of run" in again.stdout
    assert json.loads((tmp_path / "c/completed.json").read_text())["state_digest"] == marker["state_digest"]


def test_a_folder_that_cannot_be_written_to_stops_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    run = done(train(tmp_path, niters=2, checkpoint="file/c"))
    assert "cannot write to file/c" in run.stderr
    assert "the run goes on" in run.stderr
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_damaged_line_of_an_earlier_record_is_told_and_recorded_anew(whole: Path, tmp_path: Path) -> None:
    done(train(tmp_path, niters=5))
    path = tmp_path / "results/1/metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:30] + b"\xff" + lines[1][31:]
    lines[3] = lines[3].replace(b'"step": 4', b'"step": 94')  # a step later than all to come
    path.write_bytes(b"".join(lines))
    run = done(train(tmp_path, resume="results/1"))
    assert f"{path}: damaged in line 2, 4; what was there is recorded again in this run\n" in run.stderr
    steps = [line["step"] for line, _ in read_metric_lines(tmp_path / "results/2/metrics.jsonl")]
    assert steps == [2, 4, 6, 7, 8, 9]
    ours = dict(recorded(tmp_path, 2)["state_digest"])
    assert ours.items() <= dict(recorded(whole, 1)["state_digest"]).items()


def test_checkpoints_of_the_future_do_not_hold_a_run_back(whole: Path, tmp_path: Path) -> None:
    done(train(tmp_path, niters=4, checkpoint="c"))
    for path in (tmp_path / "c").glob("*.npz"):
        os.utime(path, (4e9, 4e9))
    done(train(tmp_path, niters=7, checkpoint="c", resume="auto"))
    assert sorted(int(path.stem[-3:]) for path in (tmp_path / "c").glob("*.npz")) == [6, 7]
    assert "generation 7 of run" in done(train(tmp_path, checkpoint="c", resume="auto")).stdout
    assert joined(tmp_path, 1, 2, 3)["state_digest"] == recorded(whole, 1)["state_digest"]


@pytest.mark.parametrize("resume", ["auto", "results/1", "unset"])
def test_a_second_program_with_the_same_checkpoints_is_refused(tmp_path: Path, resume: str) -> None:
    """Also one that begins anew, beside the first: both would write into one folder."""
    slow: dict[str, Any] = {"env_name": "odd_envs:Slow"} | ({"checkpoint": "c"} if resume == "unset" else {})
    if resume != "unset":
        done(train(tmp_path, niters=2, **slow))
    with subprocess.Popen(
        command(**slow, resume=resume, niters=1000),
        cwd=tmp_path,
        env=ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.01"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as first:
        assert first.stdout is not None
        next(line for line in first.stdout if line.startswith("generation="))
        before = sorted(tmp_path.glob("results/*/run.json"))
        second = train(tmp_path, 2, **slow, resume=resume)
        first.kill()
    assert second.returncode == 2
    assert f"expected a run that no other program goes on with, but process {first.pid} on " in second.stderr
    assert second.stderr.count("\n") == 1
    assert sorted(tmp_path.glob("results/*/run.json")) == before  # nothing was recorded
    again = train(tmp_path, **slow, resume="c" if resume == "unset" else resume, niters=9)
    assert again.returncode == 0, again.stderr  # the lock died with its owner


def test_other_versions_are_told_and_with_resume_strict_refused(whole: Path, tmp_path: Path) -> None:
    done(train(tmp_path, niters=3))
    newest = max((tmp_path / "results/1").glob("*.npz"))
    here = read(newest)["versions"]
    assert {"python", "numpy", "mpi_pgpe", "gym"} <= set(here)
    assert json.loads((tmp_path / "results/1/info.json").read_text())["versions"] == here
    assert "other versions" not in done(train(tmp_path, niters=4, resume="results/1", resume_strict=True)).stderr
    newest.write_bytes(pack({**read(newest), "versions": {**here, "numpy": "1.0"}}))
    refused = train(tmp_path, niters=5, resume=newest, resume_strict=True)
    assert refused.returncode == 2
    assert f"was made with other versions: numpy 1.0 there, {here['numpy']} now. " in refused.stderr
    assert not (tmp_path / "results/3").exists()
    told = done(train(tmp_path, niters=9, resume=newest))
    assert f"going on with other versions: numpy 1.0 there, {here['numpy']} now. " in told.stderr
    without = {name: value for name, value in read(newest).items() if name != "versions"}
    newest.write_bytes(pack(without))
    refused = train(tmp_path, niters=5, resume=newest, resume_strict=True)
    assert "does not say with which versions it was made" in refused.stderr

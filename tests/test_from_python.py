"""Runs that Python starts: what the command's are, on every rank."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import HELPERS, ROOT
from programs import run_program, wait_until

import mpi_pgpe
from mpi_pgpe import envs, restore
from mpi_pgpe.agents import read_agent
from mpi_pgpe.runs.run_folder import read_json, read_metric_lines

SCRIPT = HELPERS / "script_of_runs.py"
FAST = {
    "configurations": "fast",
    "niters": 3,
    "popsize": 8,
    "num_interactions": 300,
    "seed": 9,
    "checkpoint_seconds": 0,
}


def script(what: str, folder: Path, ranks: int = 1, **settings: Any) -> tuple[int, list[dict[str, Any]], str]:
    """(exit code, what each rank says of each run, errors)."""
    argv = ["-W", "ignore", str(SCRIPT), what, "results", json.dumps(FAST | settings)]
    done = run_program(*argv, ranks=ranks, cwd=folder, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"], done.stderr


def digests(folder: Path) -> list[int]:
    return [line["state_digest"] for line, _ in read_metric_lines(folder / "metrics.jsonl") if "state_digest" in line]


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    settings = [f"{name}={value}" for name, value in FAST.items() if name != "configurations"]
    done = run_program("-m", "mpi_pgpe.train", "-F", "results", "with", "fast", *settings, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "results/1"


@pytest.mark.launches
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_script_trains_as_the_command_does_and_every_rank_has_the_result(
    tmp_path: Path, by_command: Path, ranks: int
) -> None:
    code, said, errors = script("twice", tmp_path, ranks)
    assert code == 0, errors
    first, refused, own = (said[ranks * i : ranks * (i + 1)] for i in range(3))
    assert all(each == one[0] for one in (first, refused, own) for each in one)
    assert first[0]["digest"] == f"{digests(by_command)[-1]:012x}"
    assert digests(tmp_path / "results/1") == digests(by_command)
    assert first[0]["folder"] == str(tmp_path / "results/1")
    assert first[0]["restored"] == first[0]["action"]
    assert refused[0]["error"] == "WrongInput"
    assert "did you mean popsize?" in refused[0]["says"]
    for name in ("CartPole-v1_seed9_iter3.pickle", "best.pickle"):
        a, b = (read_agent(folder / name) for folder in (tmp_path / "results/1", by_command))
        assert a.parameters.tobytes() == b.parameters.tobytes()
        assert a.metadata == b.metadata
    config, theirs = (read_json(folder / "config.json") for folder in (tmp_path / "results/1", by_command))
    assert config == theirs
    assert read_json(tmp_path / "results/1/run.json")["status"] == "COMPLETED"
    assert read_json(tmp_path / "results/2/config.json")["env_name"] == "__main__:Own"


@pytest.mark.launches
@pytest.mark.parametrize("what", ["one rank ends", "one rank raises", "rank 0 ends"])
def test_no_rank_waits_for_one_that_has_left(tmp_path: Path, what: str) -> None:
    code, said, errors = script(what, tmp_path, 2, niters=1)
    assert len(said) == (3 if what == "rank 0 ends" else 2), errors
    expected = {
        "one rank ends": "every rank makes the same calls",
        "one rank raises": "RuntimeError: a fault on rank 1",
        "rank 0 ends": "",
    }
    assert expected[what] in errors
    assert (code == 0) == (what == "rank 0 ends")


@pytest.mark.launches
def test_an_error_of_all_ranks_is_told_once_where_nobody_catches_it(tmp_path: Path) -> None:
    code, _, errors = script("refused", tmp_path, 2)
    assert code == 2, errors
    assert errors.count("WrongInput: unknown configuration entry") == 1


@pytest.mark.serial
def test_an_environment_may_be_a_class_a_function_or_a_lambda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import small_envs

    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = FAST | {"niters": 1, "verbose": False, "num_interactions": None}
    by_name = mpi_pgpe.train_agent("small_envs:Slope", **settings)
    by_class = mpi_pgpe.train_agent(small_envs.Slope, results="r", **settings)
    by_lambda = mpi_pgpe.train_agent(env=lambda: small_envs.Slope(1.0), results="r", **settings)
    assert by_name.state_digest == by_class.state_digest == by_lambda.state_digest
    assert read_json(tmp_path / "r/1/config.json")["env_name"] == "small_envs:Slope"
    assert "<lambda>" in read_json(tmp_path / "r/2/config.json")["env_name"]
    for wrong in (3, small_envs.Slope()):
        with pytest.raises(mpi_pgpe.WrongInput, match="expected"):
            mpi_pgpe.train_agent(env=wrong, **settings)


@pytest.mark.serial
def test_what_a_run_leaves_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    env = envs.make("CartPole-v1", {})
    env.reset(seed=1)  # seeds the global generators
    random.seed(1)
    np.random.seed(1)
    expected = random.Random(1).random(), np.random.RandomState(1).rand()
    result = mpi_pgpe.train_agent(**FAST | {"niters": 2}, verbose=False)
    assert capfd.readouterr().out == ""
    assert (random.random(), np.random.rand()) == expected
    assert handlers == {number: signal.getsignal(number) for number in handlers}
    assert env in envs.list_open()
    env.close()
    assert {len(column) for column in result.history.values()} == {2}
    assert np.isnan(result.history["re_eval_mean"][0])
    assert result.history["generation"].tolist() == [1, 2]
    assert restore.policy_metadata(result.agent)["generation"] == 2
    result.agent.save("saved.pickle")
    assert read_agent("saved.pickle").parameters.tobytes() == result.agent.parameters.tobytes()


@pytest.mark.serial
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"popsize": 7}, "popsize"),
        ({"env": "CartPole-v1", "env_name": "CartPole-v1"}, "expected one of them"),
        ({"env": "CartPol-v1"}, "CartPole"),
        ({"env": Path()}, "or a class or function that makes it"),
        ({"policy": Path()}, "got an instance of"),
        ({"configurations": "fst"}, "did you mean fast?"),
        ({"results": "s.py/x"}, "-F"),
        ({"on_generation": 3}, "on_generation: expected a function"),
        ({"resume": "nothing"}, "resume"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text("")
    with pytest.raises(mpi_pgpe.WrongInput, match=re.escape(says)):
        mpi_pgpe.train_agent(**{"results": "r", "verbose": False} | wrong)
    assert not list(tmp_path.glob("r/*"))


@pytest.mark.serial
def test_a_run_within_a_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mpi_pgpe.WrongInput, match="from within"):
        mpi_pgpe.train_agent(**FAST, on_generation=lambda _: mpi_pgpe.train_agent(**FAST), verbose=False)
    assert mpi_pgpe.train_agent(**FAST | {"niters": 1}, verbose=False).complete


def change(report: mpi_pgpe.GenerationReport) -> bool:
    """Sets one setting after another, and ends the run after generation 7."""
    assert report.metrics["generation"] == report.generation
    assert report.center.dtype == report.stdev.dtype == np.float64
    assert not report.center.flags.writeable
    if report.generation == 2:
        report.max_speed = report.max_speed / 2
        report.center_lr = 0.03
    if report.generation == 4:
        report.momentum, report.stdev_lr = 0.5, 0.05
    return report.generation < 7


LONG: dict[str, Any] = FAST | {"env": "small_envs:Slope", "niters": 9, "num_interactions": None, "verbose": False}


@pytest.mark.serial
def test_what_a_function_sets_is_recorded_and_a_run_goes_on_with_it_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = mpi_pgpe.train_agent(**LONG, results="r", on_generation=change)
    assert whole.complete
    assert whole.history["generation"].tolist() == list(range(1, 8))
    assert np.isnan(whole.history["max_speed"][:2]).all()
    assert whole.history["max_speed"][2:].tolist() == [0.15] * 5
    assert whole.history["momentum"][4:].tolist() == [0.5] * 3
    lines = [line for line, _ in read_metric_lines(tmp_path / "r/1/metrics.jsonl")]
    assert [line.get("stdev_lr") for line in lines] == [None] * 4 + [0.05] * 3
    plain = mpi_pgpe.train_agent(**LONG | {"niters": 7})
    assert plain.history["state_digest"][1] == whole.history["state_digest"][1]
    assert plain.history["state_digest"][2] != whole.history["state_digest"][2]

    def raise_at_4(report: mpi_pgpe.GenerationReport) -> None:
        change(report)
        if report.generation == 4:
            raise RuntimeError("a fault of the caller's")

    with pytest.raises(RuntimeError, match="caller's"):
        mpi_pgpe.train_agent(**LONG, results="r", on_generation=raise_at_4)
    assert read_json(tmp_path / "r/2/run.json")["status"] == "FAILED"
    for niters in (2, 5):
        mpi_pgpe.train_agent(**LONG | {"niters": niters}, results="r", on_generation=change)
    for before in (2, 3, 4):
        resumed = mpi_pgpe.train_agent(**LONG, resume=f"r/{before}", results="r", on_generation=change)
        assert resumed.state_digest == whole.state_digest
        assert resumed.best_fitness == whole.best_fitness
        assert resumed.best_solution.parameters.tobytes() == whole.best_solution.parameters.tobytes()
        assert resumed.best_solution.metadata["best_solution"] == whole.best_solution.metadata["best_solution"]
        assert resumed.history["state_digest"].tolist() == whole.history["state_digest"].tolist()


@pytest.mark.serial
def test_a_run_that_its_function_ended_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    automatic = LONG | {"resume": "auto", "results": "r", "on_generation": change}
    whole = mpi_pgpe.train_agent(**automatic)
    again = mpi_pgpe.train_agent(**automatic)
    assert (again.state_digest, again.complete, again.folder) == (whole.state_digest, True, whole.folder)
    assert again.agent.parameters.tobytes() == whole.agent.parameters.tobytes()
    assert again.best_fitness == whole.best_fitness
    assert {name: column.tolist() for name, column in again.history.items() if name == "pop_mean"} == {
        "pop_mean": whole.history["pop_mean"].tolist()
    }
    assert [path.name for path in sorted(tmp_path.glob("r/[0-9]*"))] == ["1"]
    assert mpi_pgpe.train_agent(**LONG, resume="r/1").history["generation"].tolist() == list(range(1, 10))


@pytest.mark.serial
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("max_speed", -1, "max_speed: expected"),
        ("center_lr", None, "expected a number"),
        ("popsize", 10, "nothing else can change"),
    ],
)
def test_what_a_function_cannot_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mpi_pgpe.WrongInput, match=says):
        mpi_pgpe.train_agent(**LONG, on_generation=lambda report: setattr(report, name, value))
    with pytest.raises(mpi_pgpe.WrongInput, match="has no such setting; it has center_lr, stdev_lr"):
        mpi_pgpe.train_agent(**LONG, optimizer="adam", on_generation=lambda report: report.momentum)


@pytest.mark.serial
def test_ctrl_c_leaves_what_can_be_used_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def press(report: mpi_pgpe.GenerationReport) -> None:
        if report.generation == 3:
            os.kill(os.getpid(), signal.SIGINT)

    whole = mpi_pgpe.train_agent(**LONG)
    with pytest.raises(mpi_pgpe.Stopped, match=r"got SIGINT.*the same call with resume=") as stopped:
        mpi_pgpe.train_agent(**LONG, results="r", on_generation=press)
    result = stopped.value.result
    assert not result.complete
    assert result.state_digest == f"{whole.history['state_digest'][2]:012x}"
    assert result.agent(np.zeros(2)).shape == (1,)
    assert read_json(tmp_path / "r/1/run.json")["status"] == "INTERRUPTED"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert mpi_pgpe.train_agent(**LONG, resume=result.folder, results="r").state_digest == whole.state_digest


@pytest.mark.launches
@pytest.mark.slow
def test_the_example_prints_the_same_on_any_number_of_ranks(tmp_path: Path) -> None:
    example = ROOT / "examples/train_agent.py"
    one, two = (run_program("-W", "ignore", example, ranks=ranks, cwd=tmp_path) for ranks in (1, 2))
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert one.stdout == two.stdout
    digest, acts, best = one.stdout.splitlines()
    assert re.fullmatch(r"state_digest=[0-9a-f]{12} after \d+ generations", digest)
    assert int(digest.split()[2]) < 40  # the function ended it
    assert acts == "two steps to the right: [1.], to the left: [-1.]"
    assert float(best.split()[-1]) > -35


@pytest.mark.launches
def test_a_script_that_is_killed_is_told_and_its_run_is_marked(tmp_path: Path) -> None:
    code, _, errors = script("dies", tmp_path)
    assert code == -signal.SIGKILL
    wait_until(lambda: read_json(tmp_path / "results/2/run.json")["status"] == "DEAD")
    assert read_json(tmp_path / "results/1/run.json")["status"] == "COMPLETED"
    code, _, errors = script("dies between runs", tmp_path)
    assert (code, errors.count("did not end in order")) == (-signal.SIGKILL, 0)


@pytest.mark.serial
@pytest.mark.parametrize("own", ["environment", "function"])
def test_runs_without_a_seed_have_seeds_of_their_own(tmp_path: Path, own: str) -> None:
    """Also those that begin alike: importing what is one's own seeds the global generators, and so does a run."""
    settings: dict[str, Any] = {"niters": 1, "popsize": 2, "re_eval_num_episodes": 1}
    for _ in range(2):
        random.seed(1)
        if own == "environment":
            steps = {"popsize_max": None, "num_interactions": None}
            mpi_pgpe.train_agent("small_envs:Slope", **settings, **steps, results=tmp_path, verbose=False)
        else:
            mpi_pgpe.maximize("some_functions:noisy", solution_length=2, **settings, results=tmp_path, verbose=False)
    seeds = [read_json(tmp_path / number / "config.json")["seed"] for number in "12"]
    assert seeds[0] != seeds[1]

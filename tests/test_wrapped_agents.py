"""Agents of wrapped environments: trained, recorded, saved, and run again with the same wrappers."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import some_wrappers
from places import HELPERS, python_path

import mpi_pgpe
from mpi_pgpe import doctor, enjoy, envs
from mpi_pgpe.agents import read_agent, write_agent
from mpi_pgpe.restore import to_numpy_policy

SMALL = {"popsize": 4, "popsize_max": None, "num_interactions": None, "niters": 1, "num_hidden": 0, "seed": 1}
SMALL |= {"max_episode_length": 30, "re_eval_num_episodes": 1, "verbose": False}
STACKED = ["StickyAction", {"repeat_action_probability": 0.3}, "FrameStackObservation", {"stack_size": 3}]
PENDULUM = "gymnasium/Pendulum-v1"


def play(path: Path, wrappers: list[Any]) -> float:
    """The return of the agent's episode with seed 0."""
    env, act = envs.make(PENDULUM, {}, wrappers=wrappers), to_numpy_policy(path)
    observation, total, over = env.reset(0), 0.0, False
    while not over:
        observation, reward, *ends, _ = env.step(np.asarray(act(observation), np.float32))
        total, over = total + float(reward), any(ends)
    return total


@pytest.mark.serial
def test_an_agent_is_run_with_the_wrappers_that_it_was_trained_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = mpi_pgpe.train_agent(env=PENDULUM, wrappers=STACKED, results=tmp_path / "runs", **SMALL)
    assert json.loads((result.folder / "config.json").read_text())["wrappers"] == STACKED
    best = result.folder / "best.pickle"
    assert read_agent(best).metadata["wrappers"] == STACKED
    assert enjoy.main([str(best), "--episodes", "1", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["returns"] == [pytest.approx(play(best, STACKED), abs=1e-3)]
    assert enjoy.main([str(best), "--wrappers", "[]"]) == 2
    assert "expected an environment with 9 observations" in capsys.readouterr().err


@pytest.mark.serial
def test_classes_of_a_program_are_recorded_by_their_names(tmp_path: Path) -> None:
    wrappers = [some_wrappers.Halved, {"by": 4.0}, "FrameStackObservation", {"stack_size": 2}]
    result = mpi_pgpe.train_agent(env=PENDULUM, wrappers=wrappers, results=tmp_path / "runs", **SMALL)
    named = ["some_wrappers:Halved", *wrappers[1:]]
    assert result.agent.metadata["wrappers"] == named
    again = mpi_pgpe.train_agent(env=PENDULUM, wrappers=named, results=tmp_path / "runs", **SMALL)
    other = mpi_pgpe.train_agent(env=PENDULUM, wrappers=named[2:], results=tmp_path / "runs", **SMALL)
    assert result.state_digest == again.state_digest != other.state_digest


@pytest.mark.serial
def test_a_run_goes_on_with_its_wrappers_alone(tmp_path: Path) -> None:
    def train(**more: Any) -> Any:
        return mpi_pgpe.train_agent(env=PENDULUM, results=tmp_path / "runs", **(SMALL | more))

    first = train(wrappers=STACKED)
    with pytest.raises(mpi_pgpe.WrongInput, match="of another configuration: wrappers: "):
        train(resume=first.folder, niters=2)
    longer = train(wrappers=STACKED, resume=first.folder, niters=2)
    assert longer.state_digest == train(wrappers=STACKED, niters=2).state_digest


@pytest.mark.serial
def test_a_file_does_not_choose_a_wrapper_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "touching.py").write_text(f"open({str(touched)!r}, 'w')\ndef wrap(env, **_):\n    return env\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = mpi_pgpe.train_agent(env=PENDULUM, results=tmp_path / "runs", **SMALL)
    for wrappers in (
        ["touching:wrap", {"a": True}],
        ["FlattenObservation", "os:system", {"command": f"touch {touched}"}],
    ):
        result.agent.metadata["wrappers"] = wrappers
        write_agent(tmp_path / "agent.pickle", result.agent)
        assert enjoy.main([str(tmp_path / "agent.pickle"), "--episodes", "1"]) == 2
        said = capsys.readouterr().err
        assert "which is code; a file does not choose what code is run here" in said
        assert not touched.exists()
        option = shlex.split(said.partition("you trust it: ")[2])
        if "touching:wrap" in wrappers:
            given = option
    assert enjoy.main([str(tmp_path / "agent.pickle"), "--episodes", "1", *given]) == 0
    assert touched.exists()


@pytest.mark.serial
@pytest.mark.parametrize("wrappers", ["FlattenObservation", [5], [{"a": 1}], {"a": 1}], ids=str)
def test_what_is_no_list_of_wrappers_in_a_file_is_refused(
    wrappers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = read_agent(HELPERS.parent / "data/pgpelib_lunarlander.pickle")
    agent.metadata["wrappers"] = wrappers
    write_agent(tmp_path / "agent.pickle", agent)
    assert enjoy.main([str(tmp_path / "agent.pickle")]) == 2
    assert "the agent's wrappers: expected a flat list of names" in capsys.readouterr().err


@pytest.mark.launches
def test_the_command_line_names_them_and_ranks_share_the_episodes(launch: Any, tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    named = ["some_wrappers:Halved", {"by": 4.0}, *STACKED]
    settings = [f"{name}={value}" for name, value in SMALL.items() if name != "verbose"]
    settings += [f"env_name={PENDULUM}", f"wrappers={named}"]
    trained = launch("-m", "mpi_pgpe.train", "-F", "runs", "with", *settings, ranks=2, cwd=tmp_path, env=environ)
    assert trained.returncode == 0, trained.stderr
    assert f"training {PENDULUM} in some_wrappers:Halved in StickyAction in FrameStack" in trained.stdout
    command = [
        "-m",
        "mpi_pgpe.enjoy",
        "runs/1/best.pickle",
        "--wrappers",
        json.dumps(named),
        "--episodes",
        "4",
        "--json",
    ]
    one, two = (launch(*command, ranks=ranks, cwd=tmp_path, env=environ) for ranks in (1, 2))
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    assert one.stdout == two.stdout


@pytest.mark.slow
@pytest.mark.serial
def test_doctor_looks_at_the_wrapped_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--env", PENDULUM, "--wrappers", "['some_wrappers:Counts']"]) == 1
    assert "it keeps Counts.total" in capsys.readouterr().out
    assert doctor.main(["--env", PENDULUM, "--wrappers", "['NormalizeObservation']"]) == 1
    assert "obs_norm=True normalizes, the same on all ranks" in capsys.readouterr().out
    assert doctor.main(["--wrappers", "FlattenObservation"]) == 2
    assert "--wrappers: expected a flat list of names" in capsys.readouterr().err

"""An environment without a prepared configuration: its population follows from its parameters, and is recorded."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import small_envs

import mpi_pgpe
from mpi_pgpe.runs.checkpoint import pack, read
from mpi_pgpe.runs.resume import find_checkpoint
from mpi_pgpe.runs.start import DEFAULTS
from mpi_pgpe.training.general_defaults import compute_popsize
from mpi_pgpe.training.settings import Settings

pytestmark = pytest.mark.serial

SLOPE = {"env": "small_envs:Slope", "seed": 1, "hidden": [50, 50], "re_eval_num_episodes": 1}  # 2751 parameters
GENERAL = {"popsize": 104, "num_interactions": 15600, "popsize_max": 80000, "niters": 200}


def train(folder: Path, **more: Any) -> tuple[dict[str, Any], str]:
    """(the recorded configuration, what was printed) of a run that ends after a generation."""
    said = io.StringIO()
    with redirect_stdout(said):
        result = mpi_pgpe.train_agent(**(SLOPE | {"on_generation": lambda report: False} | more), results=folder)
    return json.loads((result.folder / "config.json").read_text()), said.getvalue()


@pytest.mark.parametrize(
    ("parameters", "popsize"), [(1, 40), (400, 40), (450, 42), (2751, 104), (10_000, 200), (10**9, 200)]
)
def test_the_population_grows_with_the_policy_within_bounds(parameters: int, popsize: int) -> None:
    assert compute_popsize(parameters) == popsize
    assert compute_popsize(parameters, 31) == 30


def test_what_was_chosen_is_recorded_and_printed(tmp_path: Path) -> None:
    config, said = train(tmp_path)
    assert {name: config[name] for name in GENERAL} == GENERAL
    assert "2751 parameters (2-50x50-1), popsize 104, 200 generations" in said
    assert "chosen for this environment: popsize=104, num_interactions=15600, niters=200 (docs/" in said


@pytest.mark.parametrize(
    ("more", "changed", "chosen"),
    [
        ({"popsize": 20}, {"popsize": 20, "num_interactions": 3000}, "niters=200"),
        ({"niters": 3}, {"niters": 3}, "popsize=104, num_interactions=15600"),
        ({"num_interactions": None}, {"num_interactions": None}, "popsize=104, niters=200"),
        ({"popsize_max": 51}, {"popsize": 50, "popsize_max": 51, "num_interactions": 7500}, "popsize=50, num_inter"),
        ({"popsize": 20, "niters": 3}, {"popsize": 20, "num_interactions": 3000, "niters": 3}, None),
    ],
    ids=str,
)
def test_each_may_be_set(more: dict[str, Any], changed: dict[str, Any], chosen: str | None, tmp_path: Path) -> None:
    config, said = train(tmp_path, **more)
    assert {name: config[name] for name in GENERAL} == GENERAL | changed
    assert f"chosen for this environment: {chosen}" in said if chosen else "chosen for" not in said


def test_the_wrappers_count(tmp_path: Path) -> None:
    config, _ = train(tmp_path, env="gymnasium/CartPole-v1", hidden=[200],
                      wrappers=["FrameStackObservation", {"stack_size": 4}])  # fmt: skip
    assert config["popsize"] == compute_popsize(16 * 200 + 200 + 200 * 2 + 2) != compute_popsize(4 * 200 + 602)


def test_a_prepared_configuration_stays_as_it_is(tmp_path: Path) -> None:
    config, said = train(tmp_path, configurations="fast", hidden=None)
    assert {name: config[name] for name in GENERAL} == {
        **{"popsize": 40, "popsize_max": 80, "num_interactions": 4000, "niters": 30}
    }
    assert "chosen for" not in said


def test_a_run_goes_on_with_what_was_chosen(tmp_path: Path) -> None:
    train(tmp_path)
    config, said = train(tmp_path, resume=tmp_path / "1")
    assert {name: config[name] for name in GENERAL} == GENERAL
    assert "going on from" in said
    assert "chosen for" not in said


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The folder of a run with popsize=20 that was begun before there were these defaults."""
    train(tmp_path, popsize=20, hidden=[])
    (checkpoint,) = (tmp_path / "1").glob("checkpoint*.npz")
    content = read(checkpoint)
    assert content.pop(DEFAULTS) == 2
    checkpoint.write_bytes(pack(content))
    (tmp_path / "1/completed.json").unlink()
    return tmp_path / "1"


def test_a_run_of_before_goes_on_as_long_as_it_would_have(before: Path) -> None:
    for more, niters in [({}, 1000), ({"niters": 7}, 7), ({}, 1000)]:  # and so do those that go on with it
        last = max(before.parent.glob("[0-9]*"), key=lambda folder: int(folder.name))
        config, said = train(before.parent, popsize=20, hidden=[], resume=last, **more)
        assert config["niters"] == niters
        assert ("the run goes on as it began, with niters=1000" in said) is (niters == 1000)


def test_a_checkpoint_of_before_is_found_and_keeps_its_population(before: Path) -> None:
    (checkpoint,) = before.glob("checkpoint*.npz")
    content = read(checkpoint)
    content["settings"] |= {"popsize": 10000, "num_interactions": 1_500_000}
    checkpoint.write_bytes(pack(content))
    values = {"env_name": "small_envs:Slope", "hidden": [], "seed": 1, "re_eval_num_episodes": 1, "resume": str(before)}
    settings = Settings.check(values | {"popsize": 40, "num_interactions": 6000})
    start = find_checkpoint(settings, 1, [], given=("env_name", "hidden", "seed"))
    assert start is not None
    kept = start.apply_earlier_rules(settings)
    assert (kept.popsize, kept.num_interactions, kept.niters) == (10000, 1_500_000, 1000)
    with pytest.raises(mpi_pgpe.WrongInput, match="popsize: 10000 there, 40 now"):
        find_checkpoint(settings, 1, [], given=("popsize",))


def test_an_environment_that_raises_fails_in_the_run_and_is_recorded(tmp_path: Path) -> None:
    class Broken(small_envs.Slope):
        def __init__(self) -> None:
            raise RuntimeError("the leg came off")

    with pytest.raises(mpi_pgpe.UserError, match="on rank 0 when it was made"):
        train(tmp_path, env=Broken)
    assert json.loads((tmp_path / "1/run.json").read_text())["status"] == "FAILED"

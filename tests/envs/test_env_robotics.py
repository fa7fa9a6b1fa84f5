"""gymnasium-robotics and dm_control (through shimmy), which fit MuJoCo 3 alone: `bin/test --mujoco3` has them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import pytest
from places import python_path

from mpi_pgpe import envs
from mpi_pgpe.cli.episode_leaks import measure

FETCH, CARTPOLE = "gymnasium_robotics:FetchReach-v4", "shimmy:dm_control/cartpole-balance-v0"
CASES = {FETCH: "gymnasium_robotics", CARTPOLE: "dm_control"}
HERE = all(importlib.util.find_spec(package) for package in (*CASES.values(), "shimmy"))
FITS = HERE and mujoco.__version__ == "3.3.7"
needs_them = pytest.mark.skipif(not FITS, reason="bin/test --mujoco3 has gymnasium-robotics, dm_control and shimmy")
pytestmark = pytest.mark.launches

SMALL = ["popsize=4", "popsize_max=None", "num_interactions=None", "niters=1", "num_hidden=0", "seed=1"]
SMALL += ["max_episode_length=10", "re_eval_max_episode_length=10", "re_eval_num_episodes=1"]


@needs_them
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_they_train_with_wrappers_to_the_same_bits_on_any_number_of_ranks(
    name: str, launch: Any, tmp_path: Any
) -> None:
    stacked = "wrappers=['FlattenObservation', 'FrameStackObservation', {'stack_size': 2}]"
    runs = [
        launch(
            "-W", "ignore", "-m", "mpi_pgpe.train", "with", f"env_name={name}", stacked, *SMALL, ranks=n, cwd=tmp_path
        )
        for n in (1, 2)
    ]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    digests = {line for done in runs for line in done.stdout.splitlines() if line.startswith("state_digest=")}
    assert len(digests) == 1
    assert f"{CASES[name]} 1." in runs[0].stdout  # its version stands in what is printed and recorded
    assert "mujoco 3.3.7" in runs[0].stdout


@needs_them
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nothing_leaks_from_an_episode_into_the_next(name: str) -> None:
    found = measure(name, {}, episodes=3, longest=10)
    assert [str(situation) for situation in found if situation.different] == []


@pytest.mark.skipif(HERE, reason="they are installed")
@pytest.mark.parametrize("name", CASES)
def test_where_they_are_missing_the_command_has_the_versions_that_fit(name: str) -> None:
    with pytest.raises(envs.UnknownEnvironment, match=r"install it with: pip install .*==.* mujoco==3\.3\.7"):
        envs.check_name(name)


@needs_them
def test_with_todays_mujoco_what_fails_is_told_as_that(tmp_path: Path) -> None:
    """In the environment that this layer lies over, which has it, with the layer's other packages."""
    below = Path(gymnasium.__file__).parents[4]
    if not any((below / "lib").glob("python*/site-packages/mujoco-4.*")):
        pytest.skip("no MuJoCo 4 below")
    for path in Path(str(importlib.util.find_spec("dm_control").origin)).parents[1].iterdir():  # type: ignore[union-attr]
        if not path.name.startswith(("mujoco", "mpich", "below")):
            (tmp_path / path.name).symlink_to(path)
    done = subprocess.run(
        [below / "bin/python", "-W", "ignore", "-c", MAKE, *CASES],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": python_path(tmp_path)},
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert len(said) == len(CASES)
    for line, package in zip(said, CASES.values(), strict=True):
        assert re.search(rf"{package} 1\.\S+ fit mujoco 3\.3\.7, but here is 4\.", line)
        assert re.search(r"install it with: pip install .*mujoco==3\.3\.7$", line)


MAKE = """
import sys
from mpi_pgpe import envs
for name in sys.argv[1:]:
    try:
        envs.make(name, {})
    except envs.UnsupportedEnvironment as error:
        print(error)
"""

"""Which code a run had: the commit of a clean or changed checkout, the user's own modules, versions, the processor."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from places import python_path
from programs import run_program

pytestmark = [pytest.mark.launches, pytest.mark.serial]

MODULE = """
import gym
class Short(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (1,), "float32")
    action_space = gym.spaces.Box(-1, 1, (1,), "float32")
    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample() * 0, {}
    def step(self, action):
        return self.observation_space.sample() * 0, 1.0, True, False, {}
"""


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=name", "-c", "user.email=name@example.org"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, check=True, text=True).stdout


def recorded(folder: Path) -> dict[str, Any]:
    """run.json of a run that is made in a folder with the module."""
    settings = ["fast", "env_name=own_task:Short", "niters=1", "popsize=4", "num_interactions=None", "seed=1"]
    done = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", *settings, cwd=folder,
                       env={**os.environ, "PYTHONPATH": python_path(folder)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((max(folder.glob("results/[0-9]*")) / "run.json").read_text())


def test_the_code_of_a_run_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "own_task.py").write_text(MODULE)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "own_task.py")
    git(tmp_path, "commit", "-qm", "begin")
    git(tmp_path, "remote", "add", "origin", "https://user:secret@example.org/project.git")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    for dirty in (False, True):
        entry = recorded(tmp_path)
        experiment = entry["experiment"]
        (own,) = [each for each in experiment["repositories"] if "example.org" in each["url"]]
        assert (own["commit"], own["dirty"]) == (commit, dirty)
        assert "secret" not in json.dumps(entry)
        (stored,) = [stored for name, stored in experiment["sources"] if name.endswith("own_task.py")]
        assert (tmp_path / "results" / stored).read_text() == (tmp_path / "own_task.py").read_text()
        for name in ("gym", "gymnasium", "mpi4py", "numpy", "sacred"):
            assert f"{name}=={metadata.version(name)}" in experiment["dependencies"]
        assert any(line.startswith("python==3.") for line in experiment["dependencies"])
        assert entry["host"]["cpu"]
        assert "gpus" in entry["host"]
        (tmp_path / "own_task.py").write_text(MODULE + "\n# changed\n")

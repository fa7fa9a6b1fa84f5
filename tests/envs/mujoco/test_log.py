"""MuJoCo leaves no file in the user's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROGRAM = """
import sys, numpy as np
from mpi_pgpe import envs
env = envs.make(sys.argv[1], {})
env.reset(0)
env._env.unwrapped.data.qvel[:] = np.nan  # of which MuJoCo warns
env.step(np.zeros(env.action_space.size, np.float32))
"""


@pytest.mark.launches
@pytest.mark.parametrize("name", ["gymnasium/HalfCheetah-v5", "mpi_pgpe/HalfCheetah-v2", "gym/HalfCheetah-v4"])
def test_warnings_are_not_appended_to_a_file_in_the_working_folder(name: str, launch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = launch("-c", PROGRAM, name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == []

"""The run that `python -m mpi_pgpe.train` does unless it is told otherwise, in small."""

from __future__ import annotations

import re

import pytest
from programs import run_program

pytest.importorskip("pybullet")
pytestmark = [pytest.mark.launches, pytest.mark.serial]

SMALL = "popsize=4 popsize_max=None num_interactions=None niters=1 max_episode_length=30 re_eval_num_episodes=2 seed=1"


def test_the_default_run_has_one_result_on_one_and_two_ranks() -> None:
    digests = []
    for ranks in (1, 2):
        run = run_program("-m", "mpi_pgpe.train", "-l", "ERROR", "with", *SMALL.split(), ranks=ranks)
        assert run.returncode == 0, run.stderr
        assert "training mpi_pgpe/TinyTrajHumanoidBulletEnv-v0" in run.stdout
        assert "verified for" not in run.stderr, "the walkers run at pybullet_envs' own speed"
        assert "re-evaluated mean return" in run.stdout
        digests += re.findall(r"state_digest=([0-9a-f]+)", run.stdout + run.stderr)[-1:]
    assert len(digests) == 2
    assert digests[0] == digests[1]

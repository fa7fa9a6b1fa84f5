"""gym's v2 tasks on mujoco-py near the speed of their physics, with the same bits (gymnasium_fast.py: later ones)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi_pgpe.envs.mujoco import v2_tasks
from mpi_pgpe.envs.mujoco.step import install_parts
from mpi_pgpe.envs.verified_versions import explain_unverified

VERIFIED = {"gym": {"0.26.2"}, "mujoco-py": {"2.1.2.14"}, "numpy": {"1", "2"}}
"""The versions that the equality of bits was verified with (tests/envs/mujoco/test_*fast*.py)."""


_TASKS = {
    "humanoid": v2_tasks.humanoid,
    "walker2d": v2_tasks.walker2d,
    "hopper": v2_tasks.hopper,
    "half_cheetah": v2_tasks.half_cheetah,
    "ant": v2_tasks.ant,
    "swimmer": v2_tasks.swimmer,
}


def use_fast_path(env: Any) -> str | None:
    """Give one of the tasks a faster `step`, in place; see `gymnasium_fast.use_fast_path`."""
    package, _, task = type(env).__module__.rpartition(".")
    if package != "gym.envs.mujoco" or task not in _TASKS or env.render_mode is not None:
        return None
    refusal = explain_unverified(env, VERIFIED, "gym")
    if refusal is None:
        install_parts(env, _TASKS[task](env, _advance(env)))
    return refusal


def _advance(env: Any) -> Callable[[], None]:
    """The simulator's steps in one call, which checks for warnings of MuJoCo once."""
    sim, frame_skip = env.sim, env.frame_skip

    def advance() -> None:
        sim.nsubsteps = frame_skip
        try:
            sim.step()
        finally:
            sim.nsubsteps = 1

    return advance

"""gym's v2 tasks on mujoco-py near the speed of their physics, with the same bits.

As in fast_mujoco.py, whose tasks are those of later versions: gym's arithmetic, in its order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mpi_pgpe.envs.mujoco_task import (
    Parts,
    center_of_mass_x,
    clipping_speeds,
    distances,
    install,
    joining,
    moment_in_gym,
    rows,
    sums_of_squares,
)
from mpi_pgpe.envs.proved import why_not
from mpi_pgpe.numpy_core import clip

PROVED = {"gym": {"0.26.2"}, "mujoco-py": {"2.1.2.14"}, "numpy": {"1"}}
"""The versions that the equality of bits was proved with (tests/test_fast_mujoco.py)."""


def quicken(env: Any) -> str | None:
    """Give one of the tasks a faster `step`, in place; see `fast_mujoco.quicken`."""
    package, _, task = type(env).__module__.rpartition(".")
    if package != "gym.envs.mujoco" or task not in _TASKS or env.render_mode is not None:
        return None
    unproved = why_not(env, PROVED, "gym")
    if unproved is None:
        install(env, _TASKS[task](env))
    return unproved


def _humanoid(env: Any) -> Parts:
    data, dt = env.data, float(env.dt)
    qpos, control, forces, centers = data.qpos, data.ctrl, data.cfrc_ext, data.xipos
    masses = env.model.body_mass
    centers_x, where = center_of_mass_x(masses, centers[:, 0], moment_in_gym(masses, centers))
    of_place = len(centers_x())
    of_control = of_place + len(control)

    def record() -> Any:
        return np.concatenate((centers_x(), control, forces.reshape(-1)))

    def judge(action: Any) -> tuple[tuple[Any, ...], bool]:
        return (), qpos.item(2) < 1.0 or qpos.item(2) > 2.0  # not for NaN

    def reward(records: Any) -> list[float]:
        table = rows(records)
        efforts, blows = (sums_of_squares(part) for part in (table[1:, of_place:of_control], table[1:, of_control:]))
        return [
            1.25 * distance / dt - 0.1 * effort - min(0.5e-6 * blow, 10) + 5.0
            for distance, effort, blow in zip(distances(where(table[:, :of_place])), efforts, blows, strict=True)
        ]

    views = [qpos[2:], data.qvel, *(part.reshape(-1) for part in (data.cinert, data.cvel, data.qfrc_actuator, forces))]
    return Parts(_advance(env), record, judge, reward, joining(views))


def _walker2d(env: Any) -> Parts:
    qpos = env.data.qpos
    return _upright(env, lambda: 0.8 < qpos.item(1) < 2.0 and -1.0 < qpos.item(2) < 1.0)


def _hopper(env: Any) -> Parts:
    qpos, qvel = env.data.qpos, env.data.qvel

    def healthy() -> bool:
        x, *others = qpos.tolist() + qvel.tolist()
        height, angle, *_ = others
        bounded = math.isfinite(x) and math.isfinite(height) and all(-100 < value < 100 for value in others[1:])
        return bounded and height > 0.7 and abs(angle) < 0.2

    return _upright(env, healthy)


def _upright(env: Any, healthy: Callable[[], bool]) -> Parts:
    data, dt = env.data, float(env.dt)
    return Parts(
        advance=_advance(env),
        judge=lambda action: ((action,), not healthy()),
        reward=lambda places, actions: [
            distance / dt + 1.0 - 1e-3 * effort
            for distance, effort in zip(distances(places), sums_of_squares(rows(actions)), strict=True)
        ],
        observe=clipping_speeds(data.qpos[1:], data.qvel),
        record=_x(env),
    )


def _half_cheetah(env: Any) -> Parts:
    return _crawler(env, hidden=1, cost=0.1)


def _swimmer(env: Any) -> Parts:
    return _crawler(env, hidden=2, cost=0.0001)


def _crawler(env: Any, hidden: int, cost: float) -> Parts:
    data, dt = env.data, float(env.dt)
    return Parts(
        advance=_advance(env),
        judge=lambda action: ((action,), False),
        reward=lambda places, actions: [
            distance / dt - cost * effort
            for distance, effort in zip(distances(places), sums_of_squares(rows(actions)), strict=True)
        ],
        observe=joining((data.qpos[hidden:], data.qvel)),
        record=_x(env),
    )


def _ant(env: Any) -> Parts:
    data, dt = env.data, float(env.dt)
    qpos, qvel, forces = data.qpos, data.qvel, data.cfrc_ext
    clipped, least, most = (np.full_like(forces, value) for value in (0, -1, 1))

    def judge(action: Any) -> tuple[tuple[Any, ...], bool]:
        clip(forces, least, most, clipped)
        healthy = all(map(math.isfinite, qpos.tolist() + qvel.tolist())) and 0.2 <= qpos.item(2) <= 1.0
        return (action, clipped.reshape(1, -1).copy()), not healthy

    def reward(places: Any, actions: Any, contacts: Any) -> list[float]:
        efforts, blows = sums_of_squares(rows(actions)), sums_of_squares(rows(contacts))
        return [
            distance / dt - 0.5 * effort - 0.5 * 1e-3 * blow + 1.0
            for distance, effort, blow in zip(distances(places), efforts, blows, strict=True)
        ]

    return Parts(
        advance=_advance(env),
        judge=judge,
        reward=reward,
        observe=joining((qpos[2:], qvel, clipped.reshape(-1))),
        record=functools.partial(data.get_body_xpos("torso").item, 0),
    )


_TASKS = {
    "humanoid": _humanoid,
    "walker2d": _walker2d,
    "hopper": _hopper,
    "half_cheetah": _half_cheetah,
    "ant": _ant,
    "swimmer": _swimmer,
}


def _x(env: Any) -> Callable[[], float]:
    return functools.partial(env.data.qpos.item, 0)


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

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
    after,
    center_of_mass_x,
    clipping_speeds,
    crawling,
    install,
    joining,
    moment_in_gym,
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
    qpos, control, forces, centers = data.qpos, data.ctrl, data.cfrc_ext.reshape(-1), data.xipos
    masses = env.model.body_mass
    place, places, update = center_of_mass_x(masses, centers[:, 0], moment_in_gym(masses, centers))
    of_control, of_forces = len(place), len(place) + len(control)
    write = after(update, joining((place, control, forces)))

    def keep(record: Any) -> bool:
        write(record)
        return qpos.item(2) < 1.0 or qpos.item(2) > 2.0  # not for NaN

    def rewards(distances: Any, records: Any, actions: Any) -> Any:
        efforts, blows = sums_of_squares(records[:, of_control:of_forces]), sums_of_squares(records[:, of_forces:])
        return 1.25 * distances / dt - 0.1 * efforts - np.minimum(0.5e-6 * blows, 10) + 5.0

    return Parts(
        advance=_advance(env),
        record_size=of_forces + len(forces),
        keep=keep,
        places=lambda records: places(records[:, :of_control]),
        rewards=rewards,
        observe=joining(
            (qpos[2:], data.qvel, data.cinert.reshape(-1), data.cvel.reshape(-1), data.qfrc_actuator, forces)
        ),
    )


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
    x = functools.partial(data.qpos.item, 0)

    def keep(record: Any) -> bool:
        record[0] = x()
        return not healthy()

    return Parts(
        advance=_advance(env),
        record_size=1,
        keep=keep,
        places=lambda records: records[:, 0],
        rewards=lambda distances, records, actions: distances / dt + 1.0 - _cost(1e-3, actions),
        observe=clipping_speeds(data.qpos[1:], data.qvel),
    )


def _half_cheetah(env: Any) -> Parts:
    return _crawler(env, hidden=1, cost=0.1)


def _swimmer(env: Any) -> Parts:
    return _crawler(env, hidden=2, cost=0.0001)


def _crawler(env: Any, hidden: int, cost: float) -> Parts:
    data, dt = env.data, float(env.dt)
    return crawling(
        _advance(env),
        data.qpos,
        lambda distances, records, actions: distances / dt - _cost(cost, actions),
        joining((data.qpos[hidden:], data.qvel)),
    )


def _ant(env: Any) -> Parts:
    data, dt = env.data, float(env.dt)
    qpos, qvel, forces = data.qpos, data.qvel, data.cfrc_ext
    clipped, least, most = (np.full_like(forces, value) for value in (0, -1, 1))
    record = data.get_body_xpos("torso")[:1], clipped.reshape(-1)
    write = joining(record)

    def keep(record: Any) -> bool:
        clip(forces, least, most, clipped)
        write(record)
        healthy = all(map(math.isfinite, qpos.tolist() + qvel.tolist())) and 0.2 <= qpos.item(2) <= 1.0
        return not healthy

    def rewards(distances: Any, records: Any, actions: Any) -> Any:
        return distances / dt - _cost(0.5, actions) - 0.5 * 1e-3 * sums_of_squares(records[:, 1:]) + 1.0

    return Parts(
        advance=_advance(env),
        record_size=sum(map(len, record)),
        keep=keep,
        places=lambda records: records[:, 0],
        rewards=rewards,
        observe=joining((qpos[2:], qvel, clipped.reshape(-1))),
    )


_TASKS = {
    "humanoid": _humanoid,
    "walker2d": _walker2d,
    "hopper": _hopper,
    "half_cheetah": _half_cheetah,
    "ant": _ant,
    "swimmer": _swimmer,
}


def _cost(weight: float, actions: Any) -> Any:
    return weight * sums_of_squares(actions).astype(np.float64)  # numpy 1 multiplies single numbers in float64


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

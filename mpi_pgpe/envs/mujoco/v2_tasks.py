"""What gym's v2 tasks compute in a step, with their bits: on mujoco-py (mujoco_py_fast.py) and MuJoCo (v2.py).

gym's arithmetic, in its order. `env` has gym's `model`, `data` and `dt`; `advance` has its simulator take the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mpi_pgpe.base.fast_numpy import clip
from mpi_pgpe.envs.mujoco.step import (
    Parts,
    center_of_mass_x,
    clip_speeds,
    costs_of_actions,
    join_views,
    make_planar_parts,
    moment_in_gym,
    run_before,
    sums_of_squares,
)

Advance = Callable[[], Any]


def humanoid(env: Any, advance: Advance) -> Parts:
    data, dt = env.data, float(env.dt)
    qpos, control, forces, centers = data.qpos, data.ctrl, data.cfrc_ext.reshape(-1), data.xipos
    masses = env.model.body_mass
    place, places, update = center_of_mass_x(masses, centers[:, 0], moment_in_gym(masses, centers))
    of_control, of_forces = len(place), len(place) + len(control)
    write = run_before(update, join_views((place, control, forces)))

    def keep(record: Any) -> bool:
        write(record)
        return qpos.item(2) < 1.0 or qpos.item(2) > 2.0  # not for NaN

    def rewards(distances: Any, records: Any, actions: Any) -> Any:
        efforts, blows = sums_of_squares(records[:, of_control:of_forces]), sums_of_squares(records[:, of_forces:])
        return 1.25 * distances / dt - 0.1 * efforts - np.minimum(0.5e-6 * blows, 10) + 5.0

    return Parts(
        advance=advance,
        record_size=of_forces + len(forces),
        keep=keep,
        places=lambda records: places(records[:, :of_control]),
        rewards=rewards,
        observe=join_views(
            (qpos[2:], data.qvel, data.cinert.reshape(-1), data.cvel.reshape(-1), data.qfrc_actuator, forces)
        ),
    )


def walker2d(env: Any, advance: Advance) -> Parts:
    qpos = env.data.qpos
    return _walker(env, advance, lambda: 0.8 < qpos.item(1) < 2.0 and -1.0 < qpos.item(2) < 1.0)


def hopper(env: Any, advance: Advance) -> Parts:
    qpos, qvel = env.data.qpos, env.data.qvel

    def healthy() -> bool:
        x, *others = qpos.tolist() + qvel.tolist()
        height, angle, *_ = others
        bounded = math.isfinite(x) and math.isfinite(height) and all(-100 < value < 100 for value in others[1:])
        return bounded and height > 0.7 and abs(angle) < 0.2

    return _walker(env, advance, healthy)


def _walker(env: Any, advance: Advance, healthy: Callable[[], bool]) -> Parts:
    data, dt, costs = env.data, float(env.dt), costs_of_actions(1e-3)
    return make_planar_parts(
        advance,
        data.qpos,
        lambda distances, records, actions: distances / dt + 1.0 - costs(actions),
        clip_speeds(data.qpos[1:], data.qvel),
        healthy,
    )


def half_cheetah(env: Any, advance: Advance) -> Parts:
    return _crawler(env, advance, hidden=1, weight=0.1)


def swimmer(env: Any, advance: Advance) -> Parts:
    return _crawler(env, advance, hidden=2, weight=0.0001)


def _crawler(env: Any, advance: Advance, hidden: int, weight: float) -> Parts:
    data, dt, costs = env.data, float(env.dt), costs_of_actions(weight)
    return make_planar_parts(
        advance,
        data.qpos,
        lambda distances, records, actions: distances / dt - costs(actions),
        join_views((data.qpos[hidden:], data.qvel)),
    )


def ant(env: Any, advance: Advance) -> Parts:
    data, dt, costs = env.data, float(env.dt), costs_of_actions(0.5)
    qpos, qvel, forces = data.qpos, data.qvel, data.cfrc_ext
    clipped, least, most = (np.full_like(forces, value) for value in (0, -1, 1))
    of_mujoco_py = hasattr(data, "get_body_xpos")
    torso = data.get_body_xpos("torso") if of_mujoco_py else data.body("torso").xpos
    record = torso[:1], clipped.reshape(-1)
    write = join_views(record)

    def keep(record: Any) -> bool:
        clip(forces, least, most, clipped)
        write(record)
        healthy = all(map(math.isfinite, qpos.tolist() + qvel.tolist())) and 0.2 <= qpos.item(2) <= 1.0
        return not healthy

    def rewards(distances: Any, records: Any, actions: Any) -> Any:
        return distances / dt - costs(actions) - 0.5 * 1e-3 * sums_of_squares(records[:, 1:]) + 1.0

    return Parts(
        advance=advance,
        record_size=sum(map(len, record)),
        keep=keep,
        places=lambda records: records[:, 0],
        rewards=rewards,
        observe=join_views((qpos[2:], qvel, clipped.reshape(-1))),
    )

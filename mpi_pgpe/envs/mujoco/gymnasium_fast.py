"""The MuJoCo tasks of gymnasium (and gym's v4) near the speed of their physics, with the same bits.

What these tasks compute in a step, without what surrounds it: properties looked up again and again, what `info` holds,
and contact forces that nobody observes. The arithmetic is that of gymnasium, in its order and with its types of floats.
`reset` is gymnasium's own.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mpi_pgpe.base.fast_numpy import clip, einsum
from mpi_pgpe.envs.mujoco.step import (
    Parts,
    center_of_mass_x,
    clip_speeds,
    costs_of_actions,
    install_parts,
    join_views,
    make_planar_parts,
    moment_in_gym,
    run_before,
    sums_of_squares,
)
from mpi_pgpe.envs.verified_versions import explain_unverified

VERIFIED = {"gym": {"0.26.2"}, "gymnasium": {"1.4.0"}, "mujoco": {"2.3.3", "3.3.7", "4.0.0"}}
"""The versions that the equality of bits was verified with (tests/envs/mujoco/test_*fast*.py)."""


def use_fast_path(env: Any) -> str | None:
    """Give one of the tasks a faster `step`, in place; its `info` is empty.

    Args:
        env: what takes the steps. A wrapper is left alone: it may need what `info` holds. So is what renders, which
            has the simulator compute positions anew between two steps.

    Returns:
        why a task had to be left as it is, or None.
    """
    found = re.fullmatch(r"(gym|gymnasium)\.envs\.mujoco\.(\w+)_v([45])", type(env).__module__)
    if found is None or found[2] not in _TASKS or env.render_mode is not None:
        return None
    refusal = explain_unverified(env, {package: VERIFIED[package] for package in (found[1], "mujoco")}, found[1])
    if refusal is None:
        install_parts(env, _TASKS[found[2]](env, int(found[3])))
    return refusal


def _advance(env: Any, forces: bool = False) -> Callable[[], Any]:
    """The simulator's steps, and the contact forces if the task wants them."""
    import mujoco

    steps = functools.partial(mujoco.mj_step, env.model, env.data, env.frame_skip)
    if not forces:
        return steps
    forces_of_contacts = functools.partial(mujoco.mj_rnePostConstraint, env.model, env.data)

    def steps_and_forces() -> None:
        steps()
        forces_of_contacts()

    return steps_and_forces


def _half_cheetah(env: Any, version: int) -> Parts:
    return _crawler(env, hidden=1)


def _swimmer(env: Any, version: int) -> Parts:
    return _crawler(env, hidden=2)


def _crawler(env: Any, hidden: int) -> Parts:
    weight, costs, dt = env._forward_reward_weight, costs_of_actions(env._ctrl_cost_weight), float(env.dt)
    return make_planar_parts(
        _advance(env),
        env.data.qpos,
        lambda distances, records, actions: weight * (distances / dt) - costs(actions),
        join_views((_positions(env, hidden), env.data.qvel)),
    )


def _walker2d(env: Any, version: int) -> Parts:
    qpos = env.data.qpos
    (low, high), (least, most) = _interval(env._healthy_z_range), _interval(env._healthy_angle_range)

    def healthy() -> bool:
        return low < qpos.item(1) < high and least < qpos.item(2) < most

    return _walker(env, version, healthy)


def _hopper(env: Any, version: int) -> Parts:
    qpos, qvel = env.data.qpos, env.data.qvel
    (low, high), (least, most) = _interval(env._healthy_z_range), _interval(env._healthy_angle_range)
    n_others = len(qpos) - 2 + len(qvel)
    smallest, largest = (np.full(n_others, bound, np.float64).tolist() for bound in env._healthy_state_range)

    def healthy() -> bool:
        others = qpos.tolist()[2:] + qvel.tolist()
        bounded = all(map(operator.lt, smallest, others)) and all(map(operator.lt, others, largest))
        return bounded and low < qpos.item(1) < high and least < qpos.item(2) < most

    return _walker(env, version, healthy)


def _walker(env: Any, version: int, healthy: Callable[[], bool]) -> Parts:
    costs, x = costs_of_actions(env._ctrl_cost_weight), functools.partial(env.data.qpos.item, 0)

    def write(record: Any) -> None:
        record[1] = x()

    return Parts(
        advance=_advance(env),
        record_size=2,
        places=lambda records: records[:, 1],
        observe=clip_speeds(_positions(env, 1), env.data.qvel),
        **_of_the_upright(env, version, healthy, write, lambda records, actions: costs(actions)),
    )


def _ant(env: Any, version: int) -> Parts:
    data, qpos, qvel = env.data, env.data.qpos, env.data.qvel
    low, high = _interval(env._healthy_z_range)
    torso = data.xpos[data.body("torso" if version == 4 else env._main_body).id]
    views, record = [_positions(env, 2), qvel], [_BONUS, torso[:1]]
    forces_count = version == 5 or env._use_contact_forces
    forces_show = env._include_cfrc_ext_in_observation if version == 5 else forces_count
    weight, clipped = env._contact_cost_weight, np.zeros_like(data.cfrc_ext)
    if forces_show:
        views.append(clipped[version - 4 :].reshape(-1))  # v5 leaves the world's own out
    if forces_count:
        record.append(clipped.reshape(-1))
        least, most = (np.full_like(clipped, bound) for bound in _closed(env._contact_force_range))
    write_record = join_views(record)

    def healthy() -> bool:
        return all(map(math.isfinite, qpos.tolist() + qvel.tolist())) and low <= qpos.item(2) <= high

    def write(record: Any) -> None:
        if forces_count:
            clip(data.cfrc_ext, least, most, clipped)
        write_record(record)

    of_actions = costs_of_actions(env._ctrl_cost_weight)

    def costs(records: Any, actions: Any) -> Any:
        costs = of_actions(actions)
        return costs + weight * sums_of_squares(records[:, 2:]) if forces_count else costs

    return Parts(
        advance=_advance(env, forces_count),
        record_size=sum(map(len, record)),
        places=lambda records: records[:, 1],
        observe=join_views(views),
        **_of_the_upright(env, version, healthy, write, costs),
    )


def _humanoid(env: Any, version: int) -> Parts:
    data, qpos, control, forces = env.data, env.data.qpos, env.data.ctrl, env.data.cfrc_ext
    low, high = _interval(env._healthy_z_range)
    world = version - 4  # v5 leaves the world's own entries out
    views = [_positions(env, 2), data.qvel]
    for name, values in {
        "cinert": data.cinert[world:],
        "cvel": data.cvel[world:],
        "qfrc_actuator": data.qfrc_actuator[6 * world :],
        "cfrc_ext": forces[world:],
    }.items():
        if version == 4 or getattr(env, f"_include_{name}_in_observation") is True:
            views.append(values.reshape(-1))

    masses, centers = env.model.body_mass, data.xipos

    def moment() -> float:
        return einsum("b,bj->j", masses, centers).item(0)

    of_gymnasium = type(env).__module__.startswith("gymnasium.")
    place, places, update = center_of_mass_x(
        masses, centers[:, 0], moment if of_gymnasium else moment_in_gym(masses, centers)
    )
    record = [_BONUS, place, control]
    of_control, of_forces = 1 + len(place), 1 + len(place) + len(control)
    weight = env._ctrl_cost_weight
    if version == 5:
        record.append(forces.reshape(-1))
        blow, (least, most) = env._contact_cost_weight, _closed(env._contact_cost_range)

    def costs(records: Any, actions: Any) -> Any:
        costs = weight * sums_of_squares(records[:, of_control:of_forces])
        if version == 5:
            costs += clip(blow * sums_of_squares(records[:, of_forces:]), least, most)
        return costs

    return Parts(
        advance=_advance(env, forces=True),
        record_size=sum(map(len, record)),
        places=lambda records: places(records[:, 1:of_control]),
        observe=join_views(views),
        **_of_the_upright(
            env, version, lambda: low < qpos.item(2) < high, run_before(update, join_views(record)), costs
        ),
    )


_TASKS = {
    "half_cheetah": _half_cheetah,
    "swimmer": _swimmer,
    "walker2d": _walker2d,
    "hopper": _hopper,
    "ant": _ant,
    "humanoid": _humanoid,
}


def _positions(env: Any, hidden: int) -> Any:
    """The positions as observed: without the first ones, unless the environment was told to show them."""
    return env.data.qpos[hidden if env._exclude_current_positions_from_observation else 0 :]


def _interval(bounds: Any) -> tuple[float, float]:
    """Both bounds for comparisons in float64, as the libraries have them; with a np.float32, numpy 2 takes float32."""
    low, high = (float(np.asarray(bound).item()) for bound in bounds)
    return low, high


def _closed(bounds: Any) -> tuple[Any, Any]:
    """Bounds for fast_numpy.clip from those of np.clip, where None stands for no bound."""
    least, most = bounds
    return -math.inf if least is None else least, math.inf if most is None else most


_BONUS = np.zeros(1)  # its place in a record, which is the first


def _of_the_upright(
    env: Any,
    version: int,
    healthy: Callable[[], bool],
    write: Callable[[Any], Any],
    costs: Callable[[Any, Any], Any],
) -> dict[str, Any]:
    """`keep` and `rewards` of what has to stay upright.

    Args:
        healthy: whether it does.
        write: write all of a record but the bonus.
        costs: of some steps, from their records and actions.
    """
    weight, dt = getattr(env, "_forward_reward_weight", 1), float(env.dt)
    ends = bool(env._terminate_when_unhealthy)
    upright = float(env._healthy_reward)
    # v4 pays for an episode's last step, too.
    fallen = float((version == 4 and env._terminate_when_unhealthy) * env._healthy_reward)

    def keep(record: Any) -> bool:
        write(record)
        is_healthy = healthy()
        record[0] = upright if is_healthy else fallen
        return ends and not is_healthy

    def rewards(distances: Any, records: Any, actions: Any) -> Any:
        return weight * (distances / dt) + records[:, 0] - costs(records, actions)

    return {"keep": keep, "rewards": rewards}

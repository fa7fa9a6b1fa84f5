"""What the fast paths of MuJoCo's tasks share: a step put together from what the task computes in it, and no more."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_pgpe.base.fast_numpy import clip
from mpi_pgpe.envs.interface import Stretch


@dataclass
class Parts:
    """The parts of a task's step.

    Attributes:
        advance: has the simulator take its steps.
        record_size: what rewards depend on of the simulator's state, in numbers.
        keep: write that into an array, shape (record_size,); returns whether the step ended the episode.
        places: how far it was at each of some records, shape (n, record_size); returns shape (n,).
        rewards: of some steps, from the distances that they covered, shape (n,), their records and their actions, shape
            (n, n_actions); returns shape (n,).
        observe: write the observation into an array; see interface.Stretch.
    """

    advance: Callable[[], Any]
    record_size: int
    keep: Callable[[Any], bool]
    places: Callable[[Any], Any]
    rewards: Callable[[Any, Any, Any], Any]
    observe: Callable[[Any], Any]


def install_parts(env: Any, parts: Parts) -> None:
    """Give an environment a `step` of these parts, whose `info` is empty, and a `stretch` (see interface.Stretch).

    Args:
        env: of gym or gymnasium; its `reset` stays its own, which ends in `set_state`.
        parts: what to compute; nothing in them may refer to `env`, which would keep its memory after its end.
    """
    advance, keep, observe = parts.advance, parts.keep, parts.observe
    control, shape, size = env.data.ctrl, env.data.ctrl.shape, env.observation_space.shape
    set_state, this = type(env).set_state, weakref.ref(env)
    record = np.empty((1, parts.record_size))
    place = np.empty(1)  # before the steps whose rewards are not settled

    def stride(action: Any, record: Any) -> bool:
        control[:] = action
        advance()
        return keep(record)

    def settle(records: Any, actions: Any) -> list[float]:
        places = np.concatenate((place, parts.places(records)))
        place[0] = places[-1]
        return parts.rewards(places[1:] - places[:-1], records, actions).tolist()

    def step(action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        action = np.asarray(action)
        if action.shape != shape:
            raise ValueError(f"expected an action of shape {shape}, got {action.shape}")
        terminated = stride(action, record[0])
        observation = np.empty(size)
        observe(observation)
        return observation, settle(record, action[np.newaxis])[0], terminated, False, {}

    def begin() -> None:
        keep(record[0])
        place[:] = parts.places(record)

    def set_state_and_begin(qpos: Any, qvel: Any) -> None:
        set_state(this(), qpos, qvel)
        begin()

    env.step, env.set_state = step, set_state_and_begin
    env.stretch = Stretch(parts.record_size, stride, observe, settle)
    begin()


def join_views(views: Sequence[Any]) -> Callable[[Any], Any]:
    """What writes parts of the simulator's memory into an array, one after the other."""
    return functools.partial(np.concatenate, views, 0, casting="same_kind")


def clip_speeds(positions: Any, speeds: Any) -> Callable[[Any], Any]:
    """`observe` of the positions and of the speeds, clipped to -10..10."""
    least, most = np.full_like(speeds, -10), np.full_like(speeds, 10)
    observation = np.empty(len(positions) + len(speeds))
    first, last = observation[: len(positions)], observation[len(positions) :]

    def observe(out: Any) -> None:
        first[:] = positions
        clip(speeds, least, most, last)
        out[:] = observation

    return observe


def run_before(first: Callable[[], Any] | None, write: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`write`, each time after `first` if there is one."""
    if first is None:
        return write

    def both(out: Any) -> None:
        first()
        write(out)

    return both


def make_planar_parts(
    advance: Callable[[], Any],
    qpos: Any,
    rewards: Callable[[Any, Any, Any], Any],
    observe: Callable[[Any], Any],
    healthy: Callable[[], bool] | None = None,
) -> Parts:
    """The parts of a task that is as far as its first position, and records no more; it ends when not `healthy`."""
    x = functools.partial(qpos.item, 0)

    def keep(record: Any) -> bool:
        record[0] = x()
        return healthy is not None and not healthy()

    return Parts(advance, 1, keep, lambda records: records[:, 0], rewards, observe)


def sums_of_squares(values: Any) -> Any:
    """The sum of squares of each row, with the bits of np.square(row).sum()."""
    return np.add.reduce(np.square(values), 1)


def costs_of_actions(weight: Any) -> Callable[[Any], Any]:
    """The costs of actions as rows: `weight` times the sum of squares, in the type that the libraries have it in.

    They multiply one sum, a scalar: numpy 1 does that in float64, numpy 2 in the type of the actions.
    """
    if type(weight * np.float32(1)) is np.float64:
        return lambda actions: weight * sums_of_squares(actions).astype(np.float64)
    return lambda actions: weight * sums_of_squares(actions)


def center_of_mass_x(
    masses: Any, xs: Any, moment: Callable[[], float]
) -> tuple[Any, Callable[[Any], Any], Callable[[], None] | None]:
    """What to record of something that is as far as its center of mass, and its places, from such records as rows.

    The libraries call numpy for it in each step, which adds one body after the other; here that is done for many steps
    at once. Where the processor multiplies and adds in one go, numpy rounds less often, and is left to do it.

    Args:
        masses: of the bodies, shape (n,).
        xs: the simulator's array of how far their centers are, shape (n,).
        moment: the sum of mass times x, as the library computes it.

    Returns:
        (array, places, update): what to record, a 1-d array; the places from records of it as rows; and what brings
        the array up to date, or None where it is the simulator's own.
    """
    whole_mass, moments = float(np.sum(masses)), np.empty(1)

    def one_by_one(xs: Any) -> Any:
        sums = np.add.accumulate(masses * xs, 1)  # the one sum in numpy that is in order whatever the shape
        return sums[:, -1] / whole_mass

    def by_numpy(moments: Any) -> Any:
        return moments[:, 0] / whole_mass

    def update_moment() -> None:
        moments[0] = moment()

    before, random, same = xs.copy(), np.random.default_rng(0), True
    for _ in range(20):
        xs[:] = random.normal(size=len(xs))
        update_moment()
        same = same and (one_by_one(xs[np.newaxis]) == by_numpy(moments[np.newaxis])).all()
    xs[:] = before
    return (xs, one_by_one, None) if same else (moments, by_numpy, update_moment)


def moment_in_gym(masses: Any, places: Any) -> Callable[[], float]:
    """gym's sum of mass times x, of bodies at `places`, shape (n, 3)."""
    return lambda: np.add.reduce(masses[:, np.newaxis] * places, 0).item(0)

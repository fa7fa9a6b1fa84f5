"""What the fast paths of MuJoCo's tasks share: a step put together from what the task computes in it, and no more."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_pgpe.numpy_core import clip


@dataclass
class Parts:
    """The parts of a task's step.

    Attributes:
        advance: has the simulator take its steps.
        position: how far it has come, in m.
        judge: (reward, terminated) of a step, from how far it went in it and the action.
        observe: a new array with the observation.
    """

    advance: Callable[[], Any]
    position: Callable[[], float]
    judge: Callable[[float, Any], tuple[float, bool]]
    observe: Callable[[], Any]


def install(env: Any, parts: Parts) -> None:
    """Give an environment a `step` of these parts; its `info` is empty.

    Args:
        env: of gym or gymnasium; its `reset` stays its own, which ends in `set_state`.
        parts: what to compute; nothing in them may refer to `env`, which would keep its memory after its end.
    """
    advance, position, judge, observe = parts.advance, parts.position, parts.judge, parts.observe
    control, shape = env.data.ctrl, env.data.ctrl.shape
    before, set_state, this = position(), type(env).set_state, weakref.ref(env)

    def step(action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        nonlocal before
        if action.shape != shape:
            raise ValueError(f"expected an action of shape {shape}, got {action.shape}")
        control[:] = action
        advance()
        here = position()
        reward, terminated = judge(here - before, action)
        before = here
        return observe(), reward, terminated, False, {}

    def set_state_and_position(qpos: Any, qvel: Any) -> None:
        nonlocal before
        set_state(this(), qpos, qvel)
        before = position()

    env.step, env.set_state = step, set_state_and_position


def joining(views: Sequence[Any]) -> Callable[[], Any]:
    """`observe` of parts of the simulator's memory, one after the other."""
    return functools.partial(np.concatenate, views)


def clipping_speeds(positions: Any, speeds: Any) -> Callable[[], Any]:
    """`observe` of the positions and of the speeds, clipped to -10..10."""
    least, most = np.full_like(speeds, -10), np.full_like(speeds, 10)
    observation = np.empty(len(positions) + len(speeds))
    first, last = observation[: len(positions)], observation[len(positions) :]

    def observe() -> Any:
        first[:] = positions
        clip(speeds, least, most, last)
        return observation.copy()

    return observe


def sum_of_squares(values: Any) -> Any:
    """np.square(values).sum(), for any shape."""
    return np.add.reduce(np.square(values), None)


def moment_in_gym(masses: Any, places: Any) -> Callable[[], float]:
    """gym's sum of mass times x, of bodies as in `center_of_mass_x`."""
    return lambda: np.add.reduce(masses[:, np.newaxis] * places, 0).item(0)


def center_of_mass_x(masses: Any, places: Any, moment: Callable[[], float]) -> Callable[[], float]:
    """`position` of what is as far as its center of mass.

    The libraries call numpy for it, which adds one body after the other; to do that here takes a third of the time.
    Where the processor multiplies and adds in one go, numpy rounds less often, and is left to do it.

    Args:
        masses: of the bodies, shape (n,).
        places: the simulator's array of their centers, shape (n, 3).
        moment: the sum of mass times x, as the library computes it.
    """
    of_bodies, xs, whole_mass = masses.tolist(), places[:, 0], float(np.sum(masses))

    def one_by_one() -> float:
        total = 0.0
        for mass, x in zip(of_bodies, xs.tolist(), strict=True):
            total += mass * x
        return total / whole_mass

    def by_numpy() -> float:
        return moment() / whole_mass

    kept, random, same = xs.copy(), np.random.default_rng(0), True
    for _ in range(20):
        xs[:] = random.normal(size=len(xs))
        same = same and one_by_one() == by_numpy()
    xs[:] = kept
    return one_by_one if same else by_numpy

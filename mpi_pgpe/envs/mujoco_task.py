"""What the fast paths of MuJoCo's tasks share: a step put together from what the task computes in it, and no more."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_pgpe.envs.interface import Stretch
from mpi_pgpe.numpy_core import clip


@dataclass
class Parts:
    """The parts of a task's step.

    Attributes:
        advance: has the simulator take its steps.
        record: of the simulator's state, what rewards depend on, in a form that stays.
        judge: (facts, terminated) of a step, from its action: what else its reward depends on.
        reward: the rewards of some steps, from the record before them and those after each, and one sequence for each
            of their facts.
        observe: write the observation into an array; see interface.Stretch.
    """

    advance: Callable[[], Any]
    record: Callable[[], Any]
    judge: Callable[[Any], tuple[tuple[Any, ...], bool]]
    reward: Callable[..., list[float]]
    observe: Callable[[Any], Any]


def install(env: Any, parts: Parts) -> None:
    """Give an environment a `step` of these parts, whose `info` is empty, and a `stretch` (see interface.Stretch).

    Args:
        env: of gym or gymnasium; its `reset` stays its own, which ends in `set_state`.
        parts: what to compute; nothing in them may refer to `env`, which would keep its memory after its end.
    """
    advance, judge, record, observe = parts.advance, parts.judge, parts.record, parts.observe
    control, shape, size = env.data.ctrl, env.data.ctrl.shape, env.observation_space.shape
    set_state, this = type(env).set_state, weakref.ref(env)
    before = record()

    def stride(action: Any) -> tuple[None, Any, bool, bool, None]:
        if action.shape != shape:
            raise ValueError(f"expected an action of shape {shape}, got {action.shape}")
        control[:] = action
        advance()
        facts, terminated = judge(action)
        return None, (record(), *facts), terminated, False, None

    def settle(claims: Sequence[Any]) -> list[float]:
        nonlocal before
        records, *facts = zip(*claims, strict=True)
        rewards = parts.reward((before, *records), *facts)
        before = records[-1]
        return rewards

    def step(action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        _, claim, terminated, truncated, _ = stride(action)
        observation = np.empty(size)
        observe(observation)
        return observation, settle([claim])[0], terminated, truncated, {}

    def set_state_and_record(qpos: Any, qvel: Any) -> None:
        nonlocal before
        set_state(this(), qpos, qvel)
        before = record()

    env.step, env.stretch, env.set_state = step, Stretch(stride, observe, settle), set_state_and_record


def joining(views: Sequence[Any]) -> Callable[[Any], Any]:
    """`observe` of parts of the simulator's memory, one after the other."""
    return functools.partial(np.concatenate, views, 0, casting="same_kind")


def clipping_speeds(positions: Any, speeds: Any) -> Callable[[Any], Any]:
    """`observe` of the positions and of the speeds, clipped to -10..10."""
    least, most = np.full_like(speeds, -10), np.full_like(speeds, 10)
    observation = np.empty(len(positions) + len(speeds))
    first, last = observation[: len(positions)], observation[len(positions) :]

    def observe(out: Any) -> None:
        first[:] = positions
        clip(speeds, least, most, last)
        out[:] = observation

    return observe


def distances(places: Sequence[float]) -> list[float]:
    """From each place to the next."""
    return list(map(operator.sub, places[1:], places))


def rows(arrays: Sequence[Any]) -> Any:
    """Arrays of one shape as the rows of a new array."""
    return np.concatenate(arrays).reshape(len(arrays), -1)


def sums_of_squares(values: Any) -> list[float]:
    """Of each row, as np.square(row).sum() has them."""
    return np.add.reduce(np.square(values), 1).tolist()


def center_of_mass_x(masses: Any, xs: Any, moment: Callable[[], float]) -> tuple[Callable[[], Any], Callable[..., Any]]:
    """What to record of something that is as far as its center of mass, and its places, from records as rows.

    What to record comes as a 1-d array, which the simulator's next step may change.

    The libraries call numpy for it in each step, which adds one body after the other; here that is done for many steps
    at once. Where the processor multiplies and adds in one go, numpy rounds less often, and is left to do it.

    Args:
        masses: of the bodies, shape (n,).
        xs: the simulator's array of how far their centers are, shape (n,).
        moment: the sum of mass times x, as the library computes it.
    """
    whole_mass = float(np.sum(masses))

    def one_by_one(xs: Any) -> list[float]:
        sums = np.add.accumulate(masses * xs, 1)  # the one sum in numpy that is in order whatever the shape
        return (sums[:, -1] / whole_mass).tolist()

    def by_numpy(moments: Any) -> list[float]:
        return (moments[:, 0] / whole_mass).tolist()

    def moment_alone() -> Any:
        return np.array([moment()])

    before, random, same = xs.copy(), np.random.default_rng(0), True
    for _ in range(20):
        xs[:] = random.normal(size=len(xs))
        same = same and one_by_one(xs[np.newaxis]) == by_numpy(moment_alone()[np.newaxis])
    xs[:] = before
    return ((lambda: xs), one_by_one) if same else (moment_alone, by_numpy)


def moment_in_gym(masses: Any, places: Any) -> Callable[[], float]:
    """gym's sum of mass times x, of bodies at `places`, shape (n, 3)."""
    return lambda: np.add.reduce(masses[:, np.newaxis] * places, 0).item(0)

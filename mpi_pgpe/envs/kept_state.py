"""What an environment keeps from one episode to the next, by name, as far as its attributes show it.

    kept(env, lambda: play_some_episodes(env))      # ["NormalizeObservation.obs_rms"]

Looked at are the attributes of the environment, of its wrappers and of the objects in them: numbers, text, arrays,
generators of random numbers, containers of such; and of the simulators' objects what they let see.
"""

from __future__ import annotations

import hashlib
import random
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mpi_pgpe.envs.interface import Environment

# Wrappers whose statistics go into `info` alone, which no training reads.
_TELL_ONLY = {"RecordEpisodeStatistics", "OrderEnforcing", "PassiveEnvChecker"}

# Attributes that are no state of an episode, or are looked at by themselves.
_LEFT_OUT = {"env", "unwrapped", "spec", "metadata", "action_space", "observation_space", "render_mode"}

_DEEPEST = 4  # objects within objects
_STEPS = 5  # after the reset; so that what a step leaves behind is overwritten

# What MuJoCo calls the state of a simulation, and its inputs; and what of a model environments change. By mujoco's
# names, most of which are mujoco-py's.
_OF_MUJOCO = {
    "MjData": (
        "time", "qpos", "qvel", "act", "history", "qacc_warmstart", "plugin_state", "ctrl", "qfrc_applied",
        "xfrc_applied", "eq_active", "mocap_pos", "mocap_quat", "userdata", "tree_asleep",
    ),
    "MjModel": (
        "body_mass", "body_inertia", "body_pos", "body_quat", "body_ipos", "geom_friction", "geom_size", "geom_pos",
        "geom_quat", "geom_solref", "geom_solimp", "geom_rgba", "dof_damping", "dof_armature", "dof_frictionloss",
        "jnt_stiffness", "jnt_range", "jnt_pos", "jnt_axis", "actuator_gainprm", "actuator_biasprm",
        "actuator_ctrlrange", "actuator_gear", "qpos0", "qpos_spring", "site_pos", "hfield_data",
    ),
}  # fmt: skip


class _World:
    """A world of Box2D. What it keeps, such as the order of its contacts, cannot be seen: it is the same as before if
    it is another world, and keeps something if it is used again."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _World) and self.world is not other.world

    __hash__ = None  # type: ignore[assignment]


def find_kept_state(env: Environment, play: Callable[[], object]) -> list[str]:
    """Names of what differs after the same reset and steps, before and after other episodes.

    Args:
        env: has played an episode, as what is made in the first one is no trace of it.
        play: plays other episodes in `env`.

    Returns:
        `Class.attribute` of each, in order; of a simulator's object what is in it, such as
        `Crawler.data.qacc_warmstart`.
    """
    before = _take_snapshots(env)
    play()
    after = _take_snapshots(env)
    # What differs at the reset and no more after some steps, such as the last step's rewards, was not read.
    changed = [
        {n for n in old.keys() | new.keys() if old.get(n) != new.get(n)} for old, new in zip(before, after, strict=True)
    ]
    names = sorted(set.intersection(*changed))
    # A RunningMeanStd's mean, var and count are one thing.
    return list(dict.fromkeys(name if _of_a_simulator(name) else ".".join(name.split(".")[:2]) for name in names))


def _take_snapshots(env: Environment) -> list[dict[str, Any]]:
    """The attributes after a reset, and after some steps more."""
    env.reset(0)
    looks = [take_snapshot(env)]
    space = env.action_space
    for _ in range(_STEPS):
        action = space.start if space.low is None else np.clip(np.full(space.size, 0.3), space.low, space.high)
        if any(env.step(action if space.low is None else np.asarray(action, np.float32))[2:4]):
            break
    return [*looks, take_snapshot(env)]


def _of_a_simulator(name: str) -> bool:
    return any(name.rpartition(".")[2] in fields for fields in _OF_MUJOCO.values())


def take_snapshot(env: Environment) -> dict[str, Any]:
    """Digests of the attributes (a world of Box2D as it is), by `Class.attribute`."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    layer = getattr(env, "_env", env)  # what the adapter has inside
    while layer is not None and id(layer) not in seen:
        seen.add(id(layer))
        if type(layer).__name__ not in _TELL_ONLY:
            found.update(_attributes(type(layer).__name__, layer, seen, 0))
        layer = getattr(layer, "__dict__", {}).get("env")
    return found


def _attributes(path: str, thing: Any, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    own = {name: value for name, value in _visible(thing).items() if name not in _LEFT_OUT and name[:2] != "__"}
    for name, value in own.items():
        part = f"{path}.{name}"
        digest = _digest(value)
        if digest is not None:
            yield part, digest
        elif type(value).__name__ == "b2World":
            yield part, _World(value)
        elif _is_object(value) and id(value) not in seen and depth < _DEEPEST:
            seen.add(id(value))
            yield from _simulators(part, value) or _attributes(part, value, seen, depth + 1)


def _visible(thing: Any) -> dict[str, Any]:
    """Attributes of an object, and those of its class that the user's code may count in."""
    found: dict[str, Any] = {}
    for cls in reversed(type(thing).__mro__):
        if str(getattr(cls, "__module__", "")).partition(".")[0] not in (
            "builtins",
            "gym",
            "gymnasium",
            "typing",
            "collections",
        ):
            found.update((name, value) for name, value in vars(cls).items() if not callable(value))
    return found | getattr(thing, "__dict__", {})


def _is_object(value: Any) -> bool:
    if isinstance(value, (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        return False
    return hasattr(value, "__dict__") or bool(_fields(value))


def _fields(value: Any) -> tuple[str, ...]:
    name, module = type(value).__name__, str(getattr(type(value), "__module__", ""))
    if module.startswith(("mujoco", "cymj")):
        return _OF_MUJOCO.get(name.removeprefix("Py"), ())
    return ()


def _simulators(path: str, value: Any) -> list[tuple[str, bytes]]:
    """What an object of a simulator lets see."""
    found = []
    for name in _fields(value):
        part = getattr(value, name, None)  # not every version has all of them
        digest = None if part is None else _digest(part)
        if digest is not None:
            found.append((f"{path}.{name}", digest))
    return found


def _digest(value: Any) -> bytes | None:
    """A digest of plain data; None for anything else."""
    hasher = hashlib.blake2b(digest_size=16)
    return hasher.digest() if _feed(hasher.update, value, 0) else None


def _feed(update: Callable[[bytes], object], value: Any, depth: int) -> bool:
    """Give `update` the bytes of plain data; whether it is such."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        update(repr(value).encode())
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.hasobject:
            return False
        update(repr((array.dtype.str, array.shape)).encode() + array.tobytes())
    elif isinstance(value, np.random.Generator):
        update(repr(value.bit_generator.state).encode())
    elif isinstance(value, np.random.RandomState):
        update(repr([np.asarray(part).tolist() for part in value.get_state()]).encode())
    elif isinstance(value, random.Random):
        update(repr(value.getstate()).encode())
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        return all(_feed(update, part, depth + 1) for item in value.items() for part in item)
    elif isinstance(value, (list, tuple, deque)) and depth < _DEEPEST:
        update(f"{len(value)}".encode())
        return all(_feed(update, part, depth + 1) for part in value)
    elif isinstance(value, (set, frozenset)):
        update(repr(sorted(map(repr, value))).encode())
    else:
        return False
    return True

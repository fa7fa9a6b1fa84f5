"""Whether a user's own PyBullet environment keeps its simulation from one episode to the next.

bullet_memory.py patches pybullet_envs; a user's own environment cannot be patched so: it alone knows which state an
episode begins with. Bodies that outlive a reset have their contacts, motors and velocities, as far as the reset does
not set them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_MARK = "mpi_pgpe"
_MOST_CLIENTS = 1024  # of pybullet, in a process


def may_use_bullet(env: Any) -> bool:
    """Whether an environment may be a user's own with PyBullet in it."""
    modules = {cls.__module__.partition(".")[0] for cls in type(env).__mro__}
    of_a_library = type(env).__module__.partition(".")[0] in ("gym", "gymnasium", "mpi_pgpe")
    return "pybullet" in sys.modules and "pybullet_envs" not in modules and not of_a_library


def has_surviving_bodies(make: Callable[[], Any]) -> bool:
    """Whether bodies of an environment, made for this, outlive a reset. `make` gives an `Environment`."""
    import pybullet

    before = _clients(pybullet)
    env = make()
    try:
        env.reset(0)
        marked = []
        for client in _clients(pybullet) - before:
            for index in range(pybullet.getNumBodies(physicsClientId=client)):
                body = pybullet.getBodyUniqueId(index, physicsClientId=client)
                pybullet.addUserData(body, _MARK, "", physicsClientId=client)
                marked.append((body, client))
        env.reset(1)
        there = _clients(pybullet)
        return any(
            client in there and pybullet.getUserDataId(body, _MARK, physicsClientId=client) >= 0
            for body, client in marked
        )
    finally:
        env.close()


def _clients(pybullet: Any) -> set[int]:
    return {client for client in range(_MOST_CLIENTS) if pybullet.isConnected(physicsClientId=client)}

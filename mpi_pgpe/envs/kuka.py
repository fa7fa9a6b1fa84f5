"""pybullet_envs' Kuka: each environment in a physics client of its own.

KukaGymEnv connects anew for each environment, but calls pybullet without saying which client is meant: all work in
the process's first one, and the first that is deleted disconnects it for all.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

_MODULES = ("pybullet_envs.bullet.kukaGymEnv", "pybullet_envs.bullet.kuka")


class _Clients:
    """Takes the place of the module pybullet, for the client of the environment that is being called."""

    def __init__(self) -> None:
        self.current: Any = None

    def connect(self, *arguments: Any) -> int:
        from pybullet_utils.bullet_client import BulletClient

        self.current = BulletClient(*arguments)
        return int(self.current._client)

    def disconnect(self) -> None:
        """A client is disconnected with its environment."""

    def loadURDF(self, file: str, *place: Any, **keywords: Any) -> Any:  # noqa: N802 (Bullet's name)
        """Bullet's, whose old form with eight numbers leaves no place for the client."""
        if len(place) == 7:
            place = place[:3], place[3:]
        return self.current.loadURDF(file, *place, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)


def give_own_client(env: Any) -> None:
    """Have a freshly made KukaGymEnv call its own client, in place."""
    import pybullet

    clients = sys.modules[_MODULES[0]].p
    if not isinstance(clients, _Clients):  # this is the first environment
        clients = _Clients()
        clients.connect(pybullet.DIRECT)
        for module in _MODULES:
            sys.modules[module].p = clients  # type: ignore[attr-defined]
        env._p = clients
    own = clients.current

    def calling_its_own(method: Any) -> Any:
        @functools.wraps(method)
        def call(*arguments: Any, **keywords: Any) -> Any:
            clients.current = own
            return method(*arguments, **keywords)

        return call

    env.reset, env.step, env.render = map(calling_its_own, (env.reset, env.step, env.render))

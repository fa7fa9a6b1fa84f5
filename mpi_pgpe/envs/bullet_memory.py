"""What PyBullet keeps of an episode when the next one begins, and how it is made to forget it.

restoreState brings back positions and velocities. It leaves the broadphase's overlapping pairs and, with them, the
contact manifolds, in the order in which earlier episodes made them; and several manifolds between the same two links
are solved in that order. To put a link into the broadphase anew removes its pairs and their manifolds.
"""

from __future__ import annotations

from typing import Any

_NO_LINK = -2


def forget_contacts(client: int) -> None:
    """Put all links of all bodies into the broadphase anew, as when they were loaded: no contact of theirs is left.

    pybullet has no function for that alone, and none that tells a link's collision group and mask, which
    setCollisionFilterGroupMask would have to be given. setCollisionFilterPair puts the bodies that it names into the
    broadphase anew, with the groups and masks they have; the rule that it is given here is about no link at all.
    """
    import pybullet

    for index in range(pybullet.getNumBodies(physicsClientId=client)):
        body = pybullet.getBodyUniqueId(index, physicsClientId=client)
        pybullet.setCollisionFilterPair(body, -1, _NO_LINK, _NO_LINK, 1, physicsClientId=client)


def begin_every_episode_alike(env: Any) -> None:
    """Let an environment of pybullet_envs that has been reset once begin every episode from there.

    The walkers and the pendulums restore the state that they saved at the end of their first reset. The others save
    none, and set less than the episode before has changed: it is saved and restored for them.
    """
    world = env._p
    restore = world.restoreState

    def restore_and_forget(*arguments: Any, **keywords: Any) -> None:
        restore(*arguments, **keywords)
        forget_contacts(world._client)

    world.restoreState = restore_and_forget
    if getattr(env, "stateId", -1) < 0:
        start, reset = world.saveState(), env.reset

        def restore_and_reset() -> Any:
            world.restoreState(start)
            return reset()

        env.reset = restore_and_reset

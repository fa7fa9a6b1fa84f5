"""A user's module that uses, when it is imported, what others use for drawing alone."""

import gymnasium
import pygame
from families import Wanderer
from pygame.locals import *  # noqa: F403

pygame.init()
UP = pygame.Vector2(0, 1)
assert K_UP  # type: ignore[name-defined]  # noqa: F405


class Leg(pygame.sprite.Sprite):
    """Derived from a class of theirs."""


class Own(Wanderer):  # type: ignore[misc, valid-type]
    """Imports more when it is made."""

    def __init__(self) -> None:
        super().__init__()
        import pygame.draw
        from pygame import Vector3

        self.leg, self.up = Leg(), Vector3(UP.x, UP.y, 0)
        assert callable(pygame.draw.line)


gymnasium.register("DrawsAtImport-v0", Own, max_episode_steps=5)

"""Errors that end a command in one line."""

from __future__ import annotations

from sacred.utils import SacredError


class Refused(SacredError):
    """What was asked for cannot be done; the message says why. Printed without a traceback."""

    __module__ = "builtins"  # sacred prints the class's name before the message, with its module or not

    def __init__(self, message: object) -> None:
        super().__init__(str(message), print_traceback=False)

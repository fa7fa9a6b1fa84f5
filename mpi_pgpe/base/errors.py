"""What a user is told: errors whose message says what was expected, what came, and what to do.

A command catches `UserError` in one place (cli/entry.py), prints `command: message` and ends with `exit_code`. Any
other exception is a fault of this program, and is shown with its traceback.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

FAILED, WRONG_INPUT, RESUME, INTERRUPTED = 1, 2, 75, 130
"""Exit codes: something failed, the input is wrong, the run was ended in order (EX_TEMPFAIL: resume it), Ctrl-C."""


class UserError(Exception):
    """Something failed; the message is complete for the person who reads it.

    Attributes:
        exit_code: of a command that it ends.
        one_line: whether the message is printed as one line; else it brings a traceback of the user's own code.
    """

    exit_code = FAILED
    one_line = True


class WrongInput(UserError, ValueError):
    """What a user gave cannot be: a setting, an argument, a file, the name of an environment."""

    exit_code = WRONG_INPUT


class MissingPackage(UserError, ImportError):
    """What was asked for needs a package that is not installed; the message says how to install it."""


class Stopped(UserError):
    """A run was ended in order before it was complete.

    Attributes:
        result: of a run that Python started: what it has come to, as `train_agent` returns it.
    """

    exit_code = RESUME
    result: Any = None


class Interrupted(Stopped):
    """The same, by Ctrl-C."""

    exit_code = INTERRUPTED


_LONGEST = 2000  # characters of what an exception says


def describe_error(error: BaseException) -> str:
    """`error` in one line: its type, its message, and the place that raised it.

    The place is the innermost line of a user's own module: neither of this package nor of an installed library.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    place = find_own_line(error)
    message = " ".join(f"{type(error).__name__}: {text}".split()).removesuffix(":")
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
    return f"{message} ({place})" if place else message


def find_own_line(error: BaseException) -> str | None:
    """FILE:LINE of the innermost frame of `error` in code that is no library's; None if there is none.

    A syntax error names its own place.
    """
    if isinstance(error, SyntaxError) and error.filename and _is_own(error.filename):
        return f"{error.filename}:{error.lineno}"
    found = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f"{found[-1].filename}:{found[-1].lineno}" if found else None


_OURS_AND_PYTHONS = {Path(__file__).parents[1], Path(traceback.__file__).parent}
_INSTALLED = {"site-packages", "dist-packages"}


def _is_own(filename: str) -> bool:
    path = Path(filename)
    return not (filename.startswith("<") or _OURS_AND_PYTHONS & set(path.parents) or _INSTALLED & set(path.parts))

"""The option --wrappers of the commands that make an environment by themselves."""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.training import setting_checks


def add_wrappers(parser: argparse.ArgumentParser, default: str) -> None:
    """Give a command the option; `default` says what stands for it where it is not given."""
    parser.add_argument(
        "--wrappers",
        metavar="LIST",
        help=f"around the environment, as the setting wrappers has them (default: {default})",
    )


def read_wrappers(text: str | None) -> list[Any] | None:
    """The wrappers that stand behind the option; None if it is not given.

    Raises:
        WrongInput: it is no list of wrappers.
    """
    if text is None:
        return None
    value: Any = text
    for read in (ast.literal_eval, json.loads):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = read(text)
            break
    try:
        return setting_checks.wrappers("--wrappers", value)
    except ValueError as error:
        raise WrongInput(str(error)) from None

"""Arguments that several command lines take."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from mpi_pgpe.base.errors import WrongInput


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are told as all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise WrongInput."""
        raise WrongInput(f"{message}; `{self.prog} -h` shows what is expected")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")


def make_minimum(least: int) -> Any:
    """The type of an argument: a whole number of at least `least`, else ArgumentTypeError."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return number

    return convert

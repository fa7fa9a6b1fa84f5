"""A run's id: the same for its folder and its document in the database, and no other run's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mpi_pgpe.base.errors import WrongInput


def claim_id(
    basedir: Path,
    wanted: str | None,
    folder_name: str | None,
    next_id: Callable[[], int] = lambda: 1,
    claim_in_database: Callable[[int | str], bool] = lambda number: True,
) -> tuple[str, int | str]:
    """Make a run's folder, and its document in the database; returns (folder, id).

    Args:
        wanted: the id that the user gave with -i, or None for the next one that is free everywhere.
        folder_name: of the folder; None: the id.
        next_id: the smallest id that may be free in the database.
        claim_in_database: makes the document, or returns False if another run has the id.

    Raises:
        WrongInput: `wanted` is taken.
    """
    if wanted is not None and (wanted in {"", ".", ".."} or "/" in wanted):
        raise WrongInput(f"-i {wanted}: expected a number or a name without /")
    chosen = int(wanted) if wanted is not None and wanted.isdecimal() else wanted
    least = 1
    while True:
        number: int | str
        if chosen is not None:
            number = chosen
        else:  # of several runs that start at once, each has its own try at the same id
            least = max(least, next_id(), 1 if folder_name else 1 + _largest_number(basedir))
            number = least
        folder = basedir / (folder_name or str(number))
        try:
            folder.mkdir()
        except FileExistsError:
            if chosen is not None or folder_name:
                raise WrongInput(f"{folder} exists already; choose another id with -i") from None
            least += 1
            continue
        try:
            done = claim_in_database(number)
        except BaseException:
            folder.rmdir()
            raise
        if done:
            return str(folder), number
        folder.rmdir()
        if chosen is not None:
            raise WrongInput(f"-i {wanted}: the database has a run of this id; choose another one")


def _largest_number(basedir: Path) -> int:
    with os.scandir(basedir) as entries:
        return max((int(entry.name) for entry in entries if entry.name.isdecimal()), default=0)

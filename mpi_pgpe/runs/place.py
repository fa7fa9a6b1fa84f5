"""Where a run is recorded: a folder of its own and, if there is a database, its document there, under one id."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.runs.mongo.access import convert_refusals
from mpi_pgpe.runs.mongo.address import Target, Unreachable, connect
from mpi_pgpe.runs.run_id import claim_id

if TYPE_CHECKING:
    from mpi_pgpe.runs.mongo.address import Client
    from mpi_pgpe.runs.mongo.mirror import Mirror

_log = logging.getLogger(__name__)


@dataclass
class Place:
    """Where a run is recorded.

    Attributes:
        folder: made just now.
        id: of the run.
        client: of the database, if it was reached.
        mirror: of the folder, with the run's document in the database, if it was reached.
        trouble: why it was not reached, if it should have been.
    """

    folder: Path
    id: int | str
    client: Client | None = None
    mirror: Mirror | None = None
    trouble: str | None = None


def find_place(
    basedir: Path, wanted: str | None, folder_name: str | None, target: Target | None, entry: dict[str, Any]
) -> Place:
    """Make a run's folder, and its document in the database.

    If the database cannot be used and the folder has the id for its name (-F), a warning is all.

    Args:
        wanted: the id that the user gave with -i, or None.
        folder_name: of the folder; None: the id.
        entry: of the run, for its document.

    Raises:
        WrongInput: `wanted` is taken.
        UserError: the database, in which alone the run was to be recorded, cannot be used.
    """
    os.makedirs(basedir, exist_ok=True)
    trouble = None
    if target is not None:
        try:
            return _find_in_database(basedir, wanted, folder_name, target, entry)
        except Unreachable as error:
            trouble = str(error)
            why = f"the MongoDB at {target.shown} cannot be used: {error}"
            if folder_name:
                raise UserError(f"{why}. Start it, correct the address, or record in files with -F FOLDER") from None
            _log.warning("%s. The run is recorded in files, and delivered when the database is there", why)
    folder, run_id = claim_id(basedir, wanted, folder_name)
    return Place(Path(folder), run_id, trouble=trouble)


def _find_in_database(
    basedir: Path, wanted: str | None, folder_name: str | None, target: Target, entry: dict[str, Any]
) -> Place:
    from mpi_pgpe.runs.mongo.mirror import Mirror  # here, because it needs pymongo

    client = connect(target)
    mirror = Mirror(client, target.database, basedir)
    try:
        with convert_refusals(target):  # it answers, but may let nobody in
            folder, run_id = claim_id(basedir, wanted, folder_name, mirror.next_id, lambda i: mirror.claim(i, entry))
    except Unreachable:
        client.close()
        raise
    mirror.folder = Path(folder)
    return Place(mirror.folder, run_id, client, mirror)

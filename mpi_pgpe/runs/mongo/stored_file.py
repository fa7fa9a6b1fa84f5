"""One file of a run, read from MongoDB's GridFS."""

from __future__ import annotations

from typing import Any

from gridfs import GridFS
from gridfs.errors import NoFile

from mpi_pgpe.base.errors import UserError


def read_stored_file(database: Any, key: Any, largest: int) -> bytes:
    """The content of a file by its id.

    Args:
        database: pymongo's.
        key: the file's id.
        largest: bytes that it may have.

    Raises:
        UserError: it is not there, or larger.
        pymongo.errors.PyMongoError: the database refuses it.
    """
    try:
        with GridFS(database).get(key) as file:
            if file.length > largest:
                raise UserError(f"the file {key} of {database.name} is larger than {largest} bytes")
            return file.read()
    except NoFile:
        raise UserError(f"the file {key} is not in the database {database.name}") from None

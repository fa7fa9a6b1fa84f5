"""Use of a database for the time of a block: what goes wrong in it is told in one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.runs.mongo.address import (
    FORMS,
    VARIABLE,
    BadTarget,
    Target,
    Unreachable,
    connect,
    describe_refusal,
    find_target,
    parse_target,
)

DIGESTS = "mpi_pgpe_digests"
"""The collection of metrics that are no curve: Omniboard draws all that are in `metrics` on one axis."""


@contextlib.contextmanager
def convert_refusals(target: Target) -> Iterator[None]:
    """Raise Unreachable, without secrets, in place of what the driver raises in the block."""
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        raise Unreachable(target.scrub(describe_refusal(error))) from None


@contextlib.contextmanager
def open_database(address: str) -> Iterator[tuple[Any, str]]:
    """(pymongo's Database of a server that answers, HOST:PORT/DATABASE for people), closed after the block.

    Args:
        address: as -m of a training takes it; "" is the address in the environment variable MPI_PGPE_MONGO.

    Raises:
        BadTarget: `address` is of none of the known forms, or there is none.
        UserError: pymongo is missing, or the server does not answer, or it refuses something in the block.
    """
    target = parse_target(address, "--mongo") if address else find_target(None)
    if target is None:
        raise BadTarget(f"--mongo: expected {FORMS}, or one of these in the environment variable {VARIABLE}")
    try:
        client = connect(target)
    except Unreachable as error:
        raise UserError(
            f"no MongoDB answers at {target.shown}: {error}; is it running, and reachable from this machine?"
        ) from None
    with contextlib.closing(client):
        try:
            with convert_refusals(target):
                yield client[target.database], target.shown
        except Unreachable as error:
            raise UserError(f"MongoDB {target.shown} refuses: {error}") from None

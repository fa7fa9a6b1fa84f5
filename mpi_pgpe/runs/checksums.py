"""Checksums of a record's files, written when the run ends, so that later damage is noticed.

Agents and checkpoints have their own inside.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mpi_pgpe.base.regular_file import open_regular
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.runs.run_folder import (
    CHECKSUMS,
    COMPLETED,
    CONFIG,
    INFO,
    METRIC_LINES,
    METRICS,
    OUTPUT,
    RUN,
    DamagedRecord,
    read_json,
    write_json,
)

COVERED = (RUN, CONFIG, INFO, METRICS, METRIC_LINES, OUTPUT, COMPLETED)
"""The files that have one, if they are there."""


def write_checksums(folder: Path) -> None:
    """Write those of a record that is complete.

    Raises:
        OSError: it cannot be read or written.
    """
    write_json(folder / CHECKSUMS, {name: _sum(folder / name) for name in COVERED if (folder / name).exists()})


def damage(folder: Path, names: Iterable[str] = COVERED) -> list[str]:
    """What is wrong with files of a record by their checksums; of a run that goes on there are none yet."""
    try:
        written = read_json(folder / CHECKSUMS)
    except DamagedRecord as error:
        return [str(error)]
    if not written:
        return [f"{folder / CHECKSUMS}: is empty"] if os.path.lexists(folder / CHECKSUMS) else []
    found = [f"{folder / CHECKSUMS}: is damaged"] if set(written) - set(COVERED) else []
    for name in names:
        path = folder / name
        try:
            if os.path.lexists(path) or name in written:
                found += [] if written.get(name) == _sum(path) else [f"{path}: was changed after the run had ended"]
        except OSError as error:
            found.append(f"{path}: cannot be read: {error.strerror}")
    return found


def damage_lines(folder: Path, names: Iterable[str] = COVERED) -> list[str]:
    """`damage`, for people; what is read all the same may be wrong."""
    return [f"{line}, as {CHECKSUMS} says; what is read of it may be wrong" for line in damage(folder, names)]


def tell_damage(folder: Path, names: Iterable[str] = COVERED) -> None:
    """Print `damage_lines`."""
    for line in damage_lines(folder, names):
        print(make_printable(line), file=sys.stderr, flush=True)


def _sum(path: Path) -> str:
    sha = hashlib.sha256()
    with open_regular(path, sys.maxsize, follow=False) as file:
        while block := file.read(2**20):
            sha.update(block)
    return sha.hexdigest()

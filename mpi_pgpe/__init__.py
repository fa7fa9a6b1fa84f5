"""mpi_pgpe: train reinforcement-learning agents with PGPE and ClipUp on any number of cores.

The names below are loaded when they are first used, so that importing the package costs nothing and
a rank that only evaluates never loads what it does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mpi_pgpe.search.optimizers import SGD, Adam, ClipUp
    from mpi_pgpe.search.pgpe import PGPE

__all__ = ["PGPE", "SGD", "Adam", "ClipUp", "__version__"]

_HOME = {
    "PGPE": "mpi_pgpe.search.pgpe",
    "ClipUp": "mpi_pgpe.search.optimizers",
    "Adam": "mpi_pgpe.search.optimizers",
    "SGD": "mpi_pgpe.search.optimizers",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mpi_pgpe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

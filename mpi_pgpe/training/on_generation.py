"""What a function that is called after each generation sees, and what it may set for those that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.training.metrics import Metrics
from mpi_pgpe.training.settings import BadSettings, check_value

_OF_OPTIMIZER = {"max_speed": "max_speed", "center_lr": "stepsize", "momentum": "momentum"}
"""What a setting is called in the optimizer that has it."""
ADJUSTABLE = ("max_speed", "center_lr", "stdev_lr", "momentum")
"""Settings that may change from one generation to the next."""


def read_adjustable(search: PGPE) -> dict[str, float]:
    """The present values of those of ADJUSTABLE that the search has."""
    optimizer = search.optimizer
    found = {name: getattr(optimizer, its) for name, its in _OF_OPTIMIZER.items() if hasattr(optimizer, its)}
    found["stdev_lr"] = search.stdev_learning_rate
    return {name: float(found[name]) for name in ADJUSTABLE if name in found}


def adjust(search: PGPE, values: Mapping[str, float]) -> None:
    """Have the search go on with some values of ADJUSTABLE, which are good and which it has."""
    for name, value in values.items():
        if name == "stdev_lr":
            search.stdev_learning_rate = value
        else:
            setattr(search.optimizer, _OF_OPTIMIZER[name], value)


class GenerationReport:
    """What a generation brought.

    `max_speed`, `center_lr`, `stdev_lr` and `momentum` are the settings with which the next generation is computed.
    Setting one changes it, and it alone, for the generations that follow.

    Attributes:
        generation: its number, from 1.
        metrics: by the names of the record.
        center, stdev: of the search distribution after it: read-only float64 of shape (parameters,).

    Raises:
        BadSettings: what is set cannot be, or the optimizer has no such setting.
    """

    __slots__ = ("_present", "center", "changes", "generation", "metrics", "stdev")

    generation: int
    metrics: Metrics
    center: NDArray[np.float64]
    stdev: NDArray[np.float64]
    changes: dict[str, float]
    _present: dict[str, float]

    def __init__(self, generation: int, metrics: Mapping[str, int | float], search: PGPE) -> None:
        values = {"generation": generation, "metrics": dict(metrics), "center": search.center, "stdev": search.stdev}
        for name, value in (values | {"changes": {}, "_present": read_adjustable(search)}).items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> float:
        if name in ADJUSTABLE:
            self._check_has(name)
            return self.changes.get(name, self._present[name])
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ADJUSTABLE:
            raise BadSettings(
                f"{name}: expected one of {', '.join(ADJUSTABLE)}; nothing else can change from one generation to the "
                "next"
            )
        self._check_has(name)
        good = check_value(name, value)
        if good is None:
            raise BadSettings(f"{name}: expected a number, got None")
        self.changes[name] = float(good)

    def _check_has(self, name: str) -> None:
        if name not in self._present:
            raise BadSettings(f"{name}: the optimizer has no such setting; it has {', '.join(self._present)}")


OnGeneration = Callable[[GenerationReport], object]
"""Called after each generation; False ends the run."""

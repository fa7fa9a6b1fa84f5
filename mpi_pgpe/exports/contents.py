"""What is exported of a recorded run: points by generation, settings with plain values, and its artifacts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpi_pgpe.runs.reader import RecordedRun, RunError
from mpi_pgpe.training.metrics import NOT_PLOTTED

_LARGEST = 2**63 - 1  # step that the tools take
_COUNTERS = {"generation", "timesteps"}  # over which the others are drawn


@dataclass(frozen=True)
class Row:
    """What a generation has brought.

    Attributes:
        generation: its number.
        interactions: environment steps until then; None if they are not recorded.
        time: when it was recorded, in seconds since 1970.
        values: by metric.
    """

    generation: int
    interactions: int | None
    time: float
    values: dict[str, float]

    def scalars(self) -> Iterator[tuple[str, int, float]]:
        """(name, step, value) for tools with one axis: each metric by generation, and by environment steps."""
        for name, value in self.values.items():
            if name not in NOT_PLOTTED and name != "generation":
                yield f"by_generation/{name}", self.generation, value
        if self.interactions is not None:
            for name, value in self.values.items():
                if name not in NOT_PLOTTED | _COUNTERS:
                    yield f"by_interactions/{name}", self.interactions, value


def read_rows(run: RecordedRun, done: Mapping[str, int]) -> Iterator[Row]:
    """The generations of a run with what is not `done`: by metric, the last generation that is.

    Raises:
        RunError: a generation or its environment steps are a number that no tool takes.
    """
    began = run.times[min(run.times)] if run.times else 0.0
    last = min((done.get(name, -1) for name in run.metrics), default=-1)
    generations = sorted({g for values in run.metrics.values() for g in values if g > last})
    counts = run.metrics.get("timesteps", {})
    for generation in generations:
        values = {
            name: found[generation]
            for name, found in sorted(run.metrics.items())
            if generation in found and generation > done.get(name, -1)
        }
        count = counts.get(generation)
        for what, value in (("the generation", generation), ("timesteps", count or 0)):
            if _LARGEST < abs(value) < math.inf:
                raise RunError(f"{run.name}: {what} is {str(value)[:30]}, which is too large to export")
        interactions = int(count) if count is not None and math.isfinite(count) else None
        if values:
            yield Row(generation, interactions, run.times.get(generation, began), values)


def flatten_settings(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """The settings with plain values: `env_config.gravity` for an entry of a dictionary, JSON for a list."""
    found: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flatten_settings(value, f"{prefix}{name}.")
        elif isinstance(value, bool | int | float | str):
            found[f"{prefix}{name}"] = value
        else:
            found[f"{prefix}{name}"] = json.dumps(value, default=str)
    return found

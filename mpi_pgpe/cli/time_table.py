"""The ranks' accounts of their time (clock.py), as columns for the record and as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.clock import PHASES, PHYSICS, POLICY

_ROWS = 16  # a table of more ranks shows rank 0 and the spread of the others

Columns = dict[str, list[float]]


def collect_columns(ranks: Sequence[int], seconds: NDArray[np.float64], each_step: bool) -> Columns:
    """The account by name: "rank", "total" and the phases, in seconds.

    Args:
        ranks: their numbers.
        seconds: shape (len(ranks), len(clock.PHASES)).
        each_step: whether physics and policy were told apart; else both are "episodes".
    """
    found: Columns = {"rank": list(ranks), "total": seconds.sum(axis=1).tolist()}
    if not each_step:
        found["episodes"] = seconds[:, [PHYSICS, POLICY]].sum(axis=1).tolist()
    for phase, name in enumerate(PHASES):
        if each_step or phase not in (PHYSICS, POLICY):
            found[name] = seconds[:, phase].tolist()
    return {name: [round(value, 3) for value in values] for name, values in found.items()}


def format_table(profile: Columns) -> str:
    """Lines with the seconds of each rank and their share of its time."""
    names = [name for name in profile if name != "rank"]
    values = np.array([profile[name] for name in names]).T
    labels = [str(rank) for rank in profile["rank"]]
    if len(labels) > _ROWS:
        others = values[1:]
        values = np.array([values[0], others.min(axis=0), np.median(others, axis=0), others.max(axis=0)])
        labels = ["0", "others: least", "median", "most"]
    width = max(4, *map(len, labels))
    lines = ["where the time of the ranks went: seconds, and % of the rank's time"]
    lines.append("rank".rjust(width) + "".join(name.rjust(17) for name in names))
    for label, row in zip(labels, values, strict=True):
        cells = [f"{row[0]:17.2f}", *(f"{value:11.2f} {value / row[0]:4.0%} " for value in row[1:])]
        lines.append(label.rjust(width) + "".join(cells))
    return "\n".join(line.rstrip() for line in lines)

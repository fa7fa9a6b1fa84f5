"""The search distribution that a run begins with, as its settings say."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from mpi_pgpe.search.noise import weighted_sums
from mpi_pgpe.search.pgpe import PGPE, SumDirections
from mpi_pgpe.training.settings import Settings


def make_search(
    settings: Settings, solution_length: int, sum_directions: SumDirections = weighted_sums, center: ArrayLike = 0.0
) -> PGPE:
    """The search distribution that a run with these settings begins with, around `center`."""
    assert settings.popsize is not None, "it is chosen first: see general_defaults"
    radius = settings.max_speed * 15 if settings.radius is None else settings.radius
    stdev = math.sqrt(radius**2 / solution_length) if settings.stdev is None else settings.stdev
    return PGPE(
        solution_length=solution_length,
        popsize=settings.popsize,
        popsize_max=settings.popsize_max,
        num_interactions=settings.num_interactions,
        optimizer=settings.optimizer,
        optimizer_config=settings.optimizer_config,
        center_learning_rate=settings.center_lr,
        stdev_learning_rate=settings.stdev_lr,
        center_init=center,
        stdev_init=stdev,
        solution_ranking=settings.solution_ranking,
        tie_breaking=settings.tie_breaking,
        seed=settings.seed,
        sum_directions=sum_directions,
    )

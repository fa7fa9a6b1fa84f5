"""What the ranks are told: the job of a whole run, and the distribution of a generation."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.training.blocks import Blocks
from mpi_pgpe.training.settings import RankSettings, Settings

TRAINING, RE_EVALUATION = 0, 1  # purposes of an evaluation


@dataclass(frozen=True, kw_only=True)
class Job(RankSettings):
    """What a rank has to know to evaluate, the same for the whole run.

    Attributes:
        directions: mirrored pairs in a round.
        re_evaluations: episodes of a re-evaluation.
        profile: whether to take the time of each step of the environments.
    """

    directions: int
    re_evaluations: int
    profile: bool = False

    @classmethod
    def from_settings(cls, settings: Settings, profile: bool = False) -> Job:
        """The job of a run with these settings."""
        assert settings.popsize is not None, "it is chosen first: see general_defaults"
        return cls(
            **{each.name: getattr(settings, each.name) for each in fields(RankSettings)},
            directions=settings.popsize // 2,
            re_evaluations=settings.re_eval_num_episodes,
            profile=profile,
        )

    def blocks(self, purpose: int, together: int) -> Blocks:
        """How a round's directions, or the episodes of a re-evaluation, are shared out in tasks.

        It does not depend on the number of ranks. `together` is the number of solutions that are evaluated in one call.
        """
        if purpose == TRAINING:
            return Blocks(self.directions, max(1, together // 2))
        return Blocks(self.re_evaluations, together)


@dataclass
class Distribution:
    """The search distribution and the normalization of one generation, as broadcast.

    `mean` and `obs_stdev` are of shape (observation_size,), or None without observation normalization;
    `seeds` holds those of the generation's first rounds at least. `reference` is that of the running statistics (see
    Moments), None for zero; in the generation that decides on it, `reference_undecided` is set.
    """

    generation: int
    center: NDArray[np.float32]
    stdev: NDArray[np.float32]
    mean: NDArray[np.float64] | None
    obs_stdev: NDArray[np.float64] | None
    seeds: NDArray[np.uint64]
    reference: NDArray[np.float64] | None = None
    reference_undecided: bool = False

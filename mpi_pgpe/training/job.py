"""What the ranks are told: the job of a whole run, and the distribution of a generation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAINING, RE_EVALUATION = 0, 1  # purposes of an evaluation


@dataclass(frozen=True)
class Job:
    """What a rank has to know to evaluate, the same for the whole run."""

    env_name: str
    re_eval_env_name: str
    seed: int
    env_config: dict[str, Any] = field(default_factory=dict)
    re_eval_env_config: dict[str, Any] = field(default_factory=dict)
    env_fast: bool = True
    hidden: tuple[int, ...] = ()
    obs_norm: bool = False
    decrease_rewards_by: float = 0.0
    max_episode_length: int | None = None
    num_episodes: int = 1
    common_random_numbers: bool = False
    env_reuse: bool = True
    on_episode_error: str = "fail"
    episode_timeout: float | None = None
    profile: bool = False  # whether to time each step


@dataclass
class Distribution:
    """The search distribution and the normalization of one generation, as broadcast.

    `mean` and `obs_stdev` are of shape (observation_size,), or None without observation normalization;
    `seeds` holds those of the generation's first rounds at least.
    """

    generation: int
    center: NDArray[np.float32]
    stdev: NDArray[np.float32]
    mean: NDArray[np.float64] | None
    obs_stdev: NDArray[np.float64] | None
    seeds: NDArray[np.uint64]

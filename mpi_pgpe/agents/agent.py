"""The agent: a policy with all that is needed to use it, in memory."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe import __version__
from mpi_pgpe.policies.layout import Layout
from mpi_pgpe.policies.making import Shape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace


@dataclass
class Agent:
    """A policy with all that is needed to use, judge and reproduce it.

    Attributes:
        parameters: float32 of shape (shape.num_parameters,).
        moments: running statistics of the observations in training, or None without observation normalization.
        metadata: plain data: env_name, env_config, notes, generation, ...
        observation_layout: of the observation space that the policy was trained for; None: it is flat.
    """

    parameters: NDArray[np.float32]
    shape: Shape
    action_space: ActionSpace
    moments: Moments | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    observation_layout: Layout | None = None


def collect_versions() -> dict[str, str]:
    """Versions of the package, Python and numpy, for the metadata of an agent made here."""
    return {"mpi_pgpe": __version__, "python": platform.python_version(), "numpy": np.__version__}

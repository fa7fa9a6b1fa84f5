"""Defaults for an environment that no configuration was prepared for.

The population follows from the number of parameters, which only the environment knows: so it is made once for this,
before the run is recorded, and what was chosen is recorded like any other setting.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from typing import Any

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.training.episodes import make_network
from mpi_pgpe.training.search_settings import TINY_TRAJ
from mpi_pgpe.training.settings import Settings

LEAST, MOST = 40, 200
BEFORE = {"popsize": 10000, "num_interactions": 10000 * 200 * 3 // 4, "niters": 1000}
"""What runs in such an environment had that were begun before there were these defaults."""


def is_general(env_name: str, function: str | None) -> bool:
    """Whether the defaults of this module are those of a run."""
    return function is None and env_name != TINY_TRAJ


def list_general_defaults(settings: Settings, given: Collection[str]) -> list[str]:
    """Names of those that a run has because nobody has set them; `given` names what is set."""
    if not is_general(settings.env_name, settings.function):
        return []
    follows = ["num_interactions"] if "popsize" not in given else []
    return [name for name in ("popsize", *follows, "niters") if name not in given]


def compute_popsize(num_parameters: int, popsize_max: int | None = None) -> int:
    """Twice the square root of the number of parameters, as an even number from LEAST to MOST.

    It grows with the policy as the docs advise, from 40 for a small one to 200 for 10,000 parameters. `popsize_max`
    bounds it, too.
    """
    size = min(max(2 * round(math.sqrt(num_parameters)), LEAST), MOST)
    return size if popsize_max is None else max(2, min(size, popsize_max // 2 * 2))


def choose_population(settings: Settings, given: Collection[str]) -> dict[str, Any]:
    """The settings that follow from the number of parameters: popsize, and num_interactions unless it is `given`.

    Raises:
        WrongInput: the environment cannot be made, or the network cannot be had.
    """
    from mpi_pgpe import envs  # here, so that importing this module loads no simulator

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the run says it
            env = envs.make(settings.env_name, settings.env_config, settings.env_fast, settings.wrappers)
            try:
                size = make_network(settings, env).shape.num_parameters
            finally:
                env.close()
    except UserError:
        raise
    except (Exception, SystemExit):  # the run meets it, too, and tells and records it
        size = 0
    popsize = compute_popsize(size, settings.popsize_max)
    chosen = {"popsize": popsize}
    if settings.num_interactions is None and "num_interactions" not in given:
        chosen["num_interactions"] = popsize * 200 * 3 // 4
    return chosen

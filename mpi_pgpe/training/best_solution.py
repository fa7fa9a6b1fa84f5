"""The best solution of a run: the one with the highest fitness, rebuilt from its seed as soon as it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.search.noise import Noise, fill_mirrored_pair
from mpi_pgpe.search.seeds import episode_seed, seed_table
from mpi_pgpe.training.job import TRAINING, Distribution
from mpi_pgpe.training.settings import Settings


@dataclass(frozen=True)
class BestSolution:
    """A solution and the fitness that it had.

    Attributes:
        fitness: as the population's is: the mean over its episodes, less `decrease_rewards_by` for each step.
        generation, timesteps: in which it was found, from 1, and the steps of the run up to its end.
        direction, sign: its place there; sign 0 is center + stdev * e, 1 is center - stdev * e.
        parameters: as they were evaluated, of shape (parameters,).
        moments: the running statistics with which it was evaluated; None without normalization.
    """

    fitness: float
    generation: int
    timesteps: int
    direction: int
    sign: int
    parameters: NDArray[Any]
    moments: Moments | None

    def state(self) -> dict[str, Any]:
        """All of it as plain data and arrays, for a checkpoint."""
        return {
            "fitness": self.fitness,
            "generation": self.generation,
            "timesteps": self.timesteps,
            "direction": self.direction,
            "sign": self.sign,
            "parameters": self.parameters,
            **({} if self.moments is None else self.moments.state()),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], stdev_floor: float) -> BestSolution:
        """What `state()` returned."""
        return cls(
            float(state["fitness"]),
            int(state["generation"]),
            int(state["timesteps"]),
            int(state["direction"]),
            int(state["sign"]),
            np.array(state["parameters"]),
            Moments.from_state(state, stdev_floor) if "count" in state else None,
        )

    def describe(self, settings: Settings) -> dict[str, Any]:
        """What a saved agent says of it: its fitness, where it was found, and the seeds of its evaluations."""
        sign = 0 if settings.common_random_numbers else self.sign
        place = settings.seed, TRAINING, self.generation - 1, self.direction, sign
        return {
            "fitness": self.fitness,
            "generation": self.generation,
            "direction": self.direction,
            "sign": "+-"[self.sign],
            "seeds": [episode_seed(*place, number) for number in range(settings.num_episodes)],
        }


def find_best(
    best: BestSolution | None,
    fitness: NDArray[np.float64],
    run_seed: int,
    distribution: Distribution,
    moments: Moments | None,
    timesteps: int,
) -> BestSolution | None:
    """The best solution after one more generation; of equal ones the first.

    Args:
        best: so far.
        fitness: shape (directions, 2); those that are not finite do not count.
        run_seed: of the run.
        distribution: that the solutions were drawn from.
        moments: with which they were evaluated, if with any.
        timesteps: of the run so far.
    """
    finite = np.where(np.isfinite(fitness), fitness, -np.inf)
    direction, sign = (int(place) for place in np.unravel_index(np.argmax(finite), finite.shape))
    found = float(finite[direction, sign])
    if found == -np.inf or (best is not None and found <= best.fitness):
        return best
    # As the rank did that evaluated it.
    size, seed = len(distribution.center), seed_table(run_seed, distribution.generation, direction + 1)[direction]
    delta = np.multiply(distribution.stdev, Noise(size).direction(seed))
    pair = fill_mirrored_pair(distribution.center, delta, np.empty((2, size), distribution.center.dtype))
    return BestSolution(
        found,
        distribution.generation + 1,
        timesteps,
        direction,
        sign,
        pair[sign].copy(),
        moments,
    )

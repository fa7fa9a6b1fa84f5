"""Train from Python an environment that stands in this script, on one rank or on many.

    python examples/train_agent.py
    mpirun -n 4 python examples/train_agent.py

Both print the same. Every rank runs the script; `slow_down` is called on rank 0 alone.
"""

import gymnasium
import numpy as np

import mpi_pgpe


class Aim(gymnasium.Env):
    """Push a point, which friction slows down, to a place that is drawn for each episode."""

    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.way, self.speed, self.left = self.np_random.uniform(-3.0, 3.0), 0.0, 30
        return self._observe(), {}

    def step(self, action):
        self.speed = 0.8 * self.speed + 0.2 * float(action[0])
        self.way, self.left = self.way - self.speed, self.left - 1
        return self._observe(), -abs(self.way), False, self.left == 0, {}

    def _observe(self):
        return np.array([self.way, self.speed], np.float32)


def slow_down(report):
    """Take shorter steps later on, and stop when the population is good."""
    if report.generation == 15:
        report.max_speed = report.max_speed / 2
        report.center_lr = report.max_speed / 2
    return report.metrics["pop_median"] < -35.0


result = mpi_pgpe.train_agent(
    env=Aim,
    on_generation=slow_down,
    verbose=False,
    seed=1,
    niters=40,
    popsize=60,
    popsize_max=None,
    num_interactions=None,
    num_hidden=0,
    max_speed=0.3,
)
if mpi_pgpe.is_rank_0():
    print(f"state_digest={result.state_digest} after {len(result.history['generation'])} generations")
    print(f"two steps to the right: {result.agent([2.0, 0.0])}, to the left: {result.agent([-2.0, 0.0])}")
    print(f"best fitness {result.best_fitness:.2f}")

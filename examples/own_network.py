"""Train networks that remember: a GRU, and one of one's own, in an environment that shows its goal at the start alone.

python own_network.py [GENERATIONS]        or: mpirun -n 4 python own_network.py
"""

import sys

import gymnasium
import numpy as np

import mpi_pgpe


class Recall(gymnasium.Env):
    """The first of eight observations has a number in it, which all actions are to repeat."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number, self.steps = self.np_random.uniform(-1, 1), 0
        return np.array([self.number, 1], np.float32), {}

    def step(self, action):
        self.steps += 1
        reward = -abs(float(action[0]) - self.number) / 8
        return np.zeros(2, np.float32), reward, self.steps == 8, False, {}


class Trace:
    """A linear layer of what was seen, which fades; trained as one vector of parameters."""

    def __init__(self, observation_size, action_size):
        self.sizes = action_size, observation_size
        self.num_parameters = action_size * observation_size

    def load(self, parameters):
        self.weights = parameters.reshape(self.sizes)

    def reset(self):  # an episode begins
        self.trace = np.zeros(self.sizes[1], np.float32)

    def act(self, observation):
        self.trace = 0.9 * self.trace + observation
        return self.weights @ self.trace


def main():
    settings = {
        "niters": int(sys.argv[1]) if len(sys.argv) > 1 else 60,
        "popsize": 60,
        "popsize_max": None,
        "num_interactions": None,
        "common_random_numbers": True,
        "num_episodes": 4,
        "obs_norm": False,
        "max_speed": 0.3,
        "radius": 1.5,
        "re_eval_num_episodes": 50,
        "seed": 1,
        "verbose": False,
    }
    missed = {}
    for name, policy in (("GRU", "gru"), ("trace", Trace)):
        hidden = {"hidden": 8} if policy == "gru" else {}
        result = mpi_pgpe.train_agent(env=Recall, policy=policy, **hidden, **settings)
        missed[name] = -result.history["re_eval_mean"][-1]
    if mpi_pgpe.is_rank_0():
        agent = result.agent  # is called with an observation; reset() where an episode begins
        agent.reset()
        for observation in [(0.5, 1), *7 * [(0, 0)]]:
            action = agent(observation)
        print(f"missed by {missed['GRU']:.3f} (GRU), {missed['trace']:.3f} (trace); 0.5 became {action[0]:.2f}")


if __name__ == "__main__":
    main()

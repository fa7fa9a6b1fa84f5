"""Train on pictures, as games of Atari show them: turned grey, and two in a row, so that the ball's way can be seen.

    python examples/stacked_pictures.py [GENERATIONS]
    mpirun -n 4 python examples/stacked_pictures.py [GENERATIONS]

Both print the same. The wrappers are gymnasium's; one of your own stands in the list as its class.
"""

import sys

import gymnasium
import numpy as np

import mpi_pgpe

SIZE = 10


class Catch(gymnasium.Env):
    """A ball falls at a slant; a paddle at the bottom moves left, stays or moves right. Catching it is worth 1."""

    observation_space = gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ball, self.height = int(self.np_random.integers(SIZE)), 0
        self.slant, self.paddle = int(self.np_random.integers(-1, 2)), SIZE // 2
        return self._picture(), {}

    def step(self, action):
        self.paddle = min(max(self.paddle + int(action) - 1, 1), SIZE - 2)
        self.ball, self.height = self.ball + self.slant, self.height + 1
        if not 0 <= self.ball < SIZE:  # it bounces off the walls
            self.slant = -self.slant
            self.ball += 2 * self.slant
        over = self.height == SIZE - 1
        return self._picture(), float(over and abs(self.ball - self.paddle) <= 1), over, False, {}

    def _picture(self):
        picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        picture[self.height, self.ball] = 255, 200, 0
        picture[SIZE - 1, self.paddle - 1 : self.paddle + 2] = 0, 200, 255
        return picture


result = mpi_pgpe.train_agent(
    env=Catch,
    wrappers=["GrayscaleObservation", "FrameStackObservation", {"stack_size": 2}],
    niters=int(sys.argv[1]) if len(sys.argv) > 1 else 100,
    popsize=60,
    popsize_max=None,
    num_interactions=None,
    num_episodes=10,
    num_hidden=0,
    max_speed=0.3,
    re_eval_num_episodes=200,
    seed=1,
    verbose=False,
)
if mpi_pgpe.is_rank_0():
    caught = result.history["re_eval_mean"][-1]
    print(f"missed: {1 - caught:.3f} of the balls; state_digest={result.state_digest}")

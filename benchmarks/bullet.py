"""The fast path for PyBullet's walkers against pybullet_envs itself: the same episodes, steps per second."""

from __future__ import annotations

from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

from mpi_pgpe import envs
from mpi_pgpe.base.arguments import make_minimum

WALKERS = [
    "HumanoidBulletEnv-v0",
    "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0",
    "AntBulletEnv-v0",
    "HopperBulletEnv-v0",
    "Walker2DBulletEnv-v0",
    "HalfCheetahBulletEnv-v0",
]


def play(env: envs.Environment, actions: NDArray[Any], episodes: int, most_steps: int) -> int:
    """Run episodes with prepared actions; returns the number of steps."""
    steps = 0
    for seed in range(episodes):
        env.reset(seed)
        for i in range(most_steps):
            _, _, terminated, _, _ = env.step(actions[(seed * most_steps + i) % len(actions)])
            steps += 1
            if terminated:
                break
    return steps


def measure(name: str, about_steps: int, most_steps: int, repeats: int) -> common.Row:
    """The ratio of one environment."""
    plain, fast = envs.make(name, {}, fast=False), envs.make(name, {})
    size = plain.action_space.size
    actions = np.random.default_rng(0).uniform(-0.4, 0.4, (5000, size)).astype(np.float32)
    mean_steps = play(plain, actions, 10, most_steps) / 10
    episodes = max(1, round(about_steps / mean_steps))
    steps = play(plain, actions, episodes, most_steps)
    assert steps == play(fast, actions, episodes, most_steps)
    slow_times, fast_times = common.interleaved(
        [lambda: play(plain, actions, episodes, most_steps), lambda: play(fast, actions, episodes, most_steps)], repeats
    )
    return {
        "environment": name,
        "steps an episode": mean_steps,
        "pybullet_envs, steps/s": steps / min(slow_times),
        "fast path, steps/s": steps / min(fast_times),
        "ratio (median)": common.median_ratio(slow_times, fast_times),
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--env", nargs="+", metavar="ID", choices=WALKERS, default=WALKERS, help="walkers")
    parser.add_argument(
        "--steps", metavar="N", type=make_minimum(1), default=1500, help="steps of a measurement, about"
    )
    parser.add_argument(
        "--most-steps", metavar="N", type=make_minimum(1), default=200, help="steps of an episode at most"
    )
    args = parser.parse_args()
    rows = [measure(name, args.steps, args.most_steps, args.repeats) for name in common.each(args.env)]
    common.report("The fast path against pybullet_envs, resets included", rows, args.json)


if __name__ == "__main__":
    main()

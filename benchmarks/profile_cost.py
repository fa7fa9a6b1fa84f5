"""What the account of time costs: steps per second with it, with each step timed (--profile), and without.

    python benchmarks/profile_cost.py

Directions are evaluated as in training by one process. "Without" is the same program with a clock that does nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import common
from rollout import trainer_episodes

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel import world
from mpi_pgpe.parallel.clock import Clock
from mpi_pgpe.parallel.rounds import Rounds

ENVIRONMENTS = ["CartPole-v1", "gymnasium/Walker2d-v5", "HumanoidBulletEnv-v0"]


class NoClock(Clock):
    """Puts nothing down."""

    def switch(self, phase: int) -> int:
        return phase

    class _Nothing:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    def during(self, phase: int) -> _Nothing:  # type: ignore[override]
        return self._Nothing()


def evaluation(name: str, directions: int, clock: type[Clock], each_step: bool) -> Callable[[], Rounds]:
    """A function that evaluates the directions with this kind of account."""
    world.Clock = clock  # type: ignore[attr-defined]  # which it imports
    try:
        _, evaluate = trainer_episodes(name, directions, (), profile=each_step)
    finally:
        world.Clock = Clock  # type: ignore[attr-defined]
    return evaluate


def measure(name: str, steps: int, repeats: int) -> common.Row:
    """One environment."""
    _, evaluate = trainer_episodes(name, 2, ())
    directions = max(1, round(2 * steps / evaluate().results()["interactions"].sum()))
    kinds = [(NoClock, False), (Clock, False), (Clock, True)]
    without, with_it, each_step = common.interleaved([evaluation(name, directions, *k) for k in kinds], repeats)
    return {
        "environment": name,
        "without, CPU s": statistics.median(without),
        "account, ratio (median)": common.median_ratio(with_it, without),
        "each step timed, ratio (median)": common.median_ratio(each_step, without),
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.set_defaults(repeats=15)
    parser.add_argument(
        "--env", nargs="+", metavar="ID", type=common.environment, default=ENVIRONMENTS, help="environments"
    )
    parser.add_argument(
        "--steps", metavar="N", type=make_minimum(1), default=4000, help="steps of a measurement, about"
    )
    args = parser.parse_args()
    rows = [measure(name, args.steps, args.repeats) for name in common.each(args.env)]
    common.report("What the account of time costs", rows, args.json)


if __name__ == "__main__":
    main()

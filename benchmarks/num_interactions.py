"""num_interactions and popsize_max: what it takes to reach a return, on one core.

    python benchmarks/num_interactions.py

For each pair of settings and each seed a training until a re-evaluation reaches the target: the environment steps of
training, the generations and the largest population. Episodes of the default environment are short at first
(CartPole-v1: 20 steps) and long in the end (500).
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import common

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

PAIRS = ("None:None", "2000:None", "5000:None", "15000:160", "15000:640", "15000:None")
"""num_interactions:popsize_max."""


def pair(text: str) -> tuple[int | None, int | None]:
    """The type of an argument: NUM_INTERACTIONS:POPSIZE_MAX, each a whole number or None."""
    try:
        interactions, largest = (None if part == "None" else int(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NUM_INTERACTIONS:POPSIZE_MAX, each a whole number or None, got {text!r}"
        ) from None
    return interactions, largest


def train(settings: dict[str, Any]) -> tuple[int, int, int] | None:
    """(environment steps, generations, largest population) of a training that reaches its target; None of another."""
    trainer = Trainer(Settings.check(settings), Team(Farm(World())))
    largest = max(int(report.metrics["popsize"]) for report in trainer)
    return (trainer.timesteps, trainer.search.generation, largest) if trainer.reached_target() else None


def spread(values: list[int]) -> str:
    """Median, and smallest and largest in brackets."""
    return f"{statistics.median(values):,.0f} ({min(values):,} to {max(values):,})"


def main() -> None:
    parser = common.parser(__doc__, repeats=False)
    parser.add_argument("pairs", nargs="*", type=pair, metavar="NUM_INTERACTIONS:POPSIZE_MAX")
    parser.add_argument("--env", type=common.environment, default="CartPole-v1", help="environment")
    parser.add_argument("--target", type=float, default=475.0, help="mean return of a re-evaluation")
    parser.add_argument("--popsize", type=make_minimum(2), default=40, help="of a round")
    parser.add_argument("--max-speed", type=float, default=0.3)
    parser.add_argument("--hidden-size", type=make_minimum(0), default=8)
    parser.add_argument("--generations", type=make_minimum(1), default=150, help="after which a training gives up")
    parser.add_argument("--seeds", type=make_minimum(1), default=5)
    args = parser.parse_args()
    rows: list[common.Row] = []
    for interactions, largest in common.each(args.pairs or [pair(text) for text in PAIRS]):
        settings = {
            "env_name": args.env,
            "target_return": args.target,
            "popsize": args.popsize,
            "popsize_max": largest,
            "num_interactions": interactions,
            "max_speed": args.max_speed,
            "num_hidden": 1,
            "hidden_size": args.hidden_size,
            "re_eval_interval": 1,
            "niters": args.generations,
        }
        found = [train(settings | {"seed": seed}) for seed in range(1, args.seeds + 1)]
        reached = [outcome for outcome in found if outcome is not None]
        row: common.Row = {
            "num_interactions": str(interactions),
            "popsize_max": str(largest),
            "reached": f"{len(reached)} of {len(found)}",
        }
        for name, values in zip(
            ("steps", "generations", "largest population"), zip(*reached, strict=True), strict=False
        ):
            row[name] = spread(list(values))
        rows.append(row)
    common.report(f"{args.env} until a mean return of {args.target:g}", rows, args.json)


if __name__ == "__main__":
    main()

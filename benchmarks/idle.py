"""How long ranks stand idle when episodes take very different times: `mpiexec -n 8 python benchmarks/idle.py`.

Episodes sleep for times drawn from a Pareto distribution (shape 1.3; see tests/helpers/odd_envs.py); a generation has
about four rounds of 32 episodes. The shares are those of the ranks' time, over all generations, without an episode and
in episodes that were dropped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import common
import numpy as np

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training import trainer
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/helpers"))


class WaitingRounds(Rounds):
    """Hands out a round when the one before it is complete."""

    @property
    def available(self) -> int:
        complete = next((number for number, missing in enumerate(self._missing) if missing), len(self._missing))
        return min(super().available, (complete + 1) * self.size - self._next)


def main() -> None:
    parser = common.parser(__doc__, repeats=False)
    parser.add_argument("--wait", action="store_true", help="begin no round before the one before it is complete")
    parser.add_argument("--generations", metavar="N", type=make_minimum(1), default=20, help="how many")
    args = parser.parse_args()
    if args.wait:
        trainer.Rounds = WaitingRounds  # type: ignore[attr-defined]  # which it imports
    team = Team(Farm(World()))
    if team.world.rank > 0:
        sys.exit(team.serve())
    settings = Settings.check(
        {
            "env_name": "odd_envs:HeavyTail",
            "seed": 1,
            "niters": args.generations,
            "popsize": 32,
            "popsize_max": 320,
            "num_interactions": 3600,
            "num_hidden": 0,
            "re_eval_interval": args.generations,
            "re_eval_num_episodes": 1,
        }
    )
    reports = [report.metrics for report in trainer.Trainer(settings, team)]
    team.stop(0)
    weights = np.array([report["pop_elapsed"] for report in reports])
    shares = {
        name: float(np.average([report[name] for report in reports], weights=weights))
        for name in ("idle_fraction", "dropped_fraction")
    }
    row = {
        "ranks": team.world.size,
        **shares,
        "seconds": float(weights.sum()),
        "episodes": sum(report["popsize"] for report in reports),
        "digest": f"{reports[-1]['state_digest']:012x}",
    }
    common.report("Idle ranks" + (", with a wait at the end of each round" if args.wait else ""), [row], args.json)


if __name__ == "__main__":
    main()

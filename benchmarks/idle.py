"""How long ranks stand idle when episodes take very different times.

    mpiexec -n 8 python benchmarks/idle.py [wait]

Episodes sleep for times drawn from a Pareto distribution (shape 1.3; see tests/odd_envs.py); a generation has about
four rounds of 32 episodes. With `wait`, no round begins before the one before it is complete. Prints the
shares of the ranks' time, over all generations, without an episode and in episodes that were dropped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mpi_pgpe import trainer
from mpi_pgpe.farm import Farm
from mpi_pgpe.schedule import Rounds
from mpi_pgpe.settings import Settings
from mpi_pgpe.team import Team

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


class WaitingRounds(Rounds):
    """Hands out a round when the one before it is complete."""

    @property
    def available(self) -> int:
        complete = next((number for number, missing in enumerate(self._missing) if missing), len(self._missing))
        return min(super().available, (complete + 1) * self.size - self._next)


if "wait" in sys.argv:
    trainer.Rounds = WaitingRounds
team = Team(Farm())
if team.farm.rank > 0:
    sys.exit(team.serve())
settings = Settings.check(
    {
        "env_name": "odd_envs:HeavyTail",
        "seed": 1,
        "niters": 20,
        "popsize": 32,
        "popsize_max": 320,
        "num_interactions": 3600,
        "re_eval_interval": 100,
        "re_eval_num_episodes": 1,
    }
)
reports = [report.metrics for report in trainer.Trainer(settings, team)]
team.stop(0)
weights = np.array([report["pop_elapsed"] for report in reports])
for name in ("idle_fraction", "dropped_fraction"):
    print(f"{name}={np.average([report[name] for report in reports], weights=weights):.3f}", end=" ")
print(f"seconds={weights.sum():.1f} episodes={sum(report['popsize'] for report in reports)}", end=" ")
print(f"digest={reports[-1]['state_digest']:012x}")

"""A training run in which chosen ranks end themselves with SIGKILL at chosen moments.

    mpiexec -n N python doomed.py '[{"rank": 2, "when": "episode", "at": 5}, ...]' [obs_norm]

`when`: "episode" (in the middle of the rank's at-th one), "reduction" (after joining its at-th one, before
its end), "before reduction", "before moments", "idle" (waiting for the at-th time to be told something), "goodbye" or
"leave" (when the run is over).
Rank 0 prints a line of JSON for each generation: the metrics. A rank that ends without MPI's Finalize says so.
"""

from __future__ import annotations

from mpi_pgpe.parallel import one_thread

if __name__ == "__main__":
    one_thread.limit()  # before numpy is loaded

# isort: split
import json
import os
import signal
import sys
from typing import Any

from mpi_pgpe import train
from mpi_pgpe.cli import entry
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.training.episodes import Episodes
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer


def tell_how_it_ends() -> None:
    """Let this process say that it ends without MPI's Finalize, which otherwise follows its orderly end."""
    from mpi4py import MPI

    from mpi_pgpe.base import inside  # which guards os._exit, and calls this one

    leave = inside._leave

    def told(exit_code: int) -> None:
        if not MPI.Is_finalized():
            os.write(2, b"left without Finalize\n")
        leave(exit_code)

    os._exit = inside._leave = told  # type: ignore[assignment]


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doom(team: Team, when: str, at: int) -> None:
    """Let this process die at the moment described."""
    world, calls = team.world, [0]

    def count() -> bool:
        calls[0] += 1
        return calls[0] == at

    def around(owner: Any, name: str, before: Any) -> None:
        original = getattr(owner, name)

        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if count():
                before()
            return original(*arguments, **keywords)

        setattr(owner, name, wrapped)

    def in_the_step() -> None:
        env = team.environment(team.evaluator._running.purpose)
        step, steps = env.step, [0]

        def stumble(action: Any) -> Any:
            steps[0] += 1
            if steps[0] == 10:
                die()
            return step(action)

        env.step = stumble

    def joined_then_died() -> None:
        collective = world._collective

        def join(request: Any, *arguments: Any) -> bool:
            request.Test()
            die()
            return collective(request, *arguments)

        world._collective = join  # type: ignore[method-assign]

    if when == "episode":
        around(Episodes, "prepare", before=in_the_step)
    elif when == "reduction":
        around(world, "sum_on_root", before=joined_then_died)
    elif when == "before reduction":
        around(world, "sum_on_root", before=die)
    elif when == "before moments":
        around(team, "_collect_moments", before=die)
    elif when == "idle":
        around(world, "hear", before=die)
    elif when in ("goodbye", "leave"):
        around(world, when, before=die)
    else:
        raise SystemExit(f"unknown moment {when!r}")


class DoomedTeam(Team):
    """The ranks of mpi_pgpe.train, some of which will die."""

    def __init__(self, farm: Farm) -> None:
        super().__init__(farm)
        tell_how_it_ends()
        for d in json.loads(sys.argv[1]):
            if d["rank"] == farm.world.rank:
                doom(self, d["when"], d["at"])


def run(argv: list[str], team: Team | None, requests: object, watch: object) -> int:
    """What rank 0 does in place of sacred's experiment."""
    assert team is not None
    settings = Settings.check(
        {
            "env_name": "odd_envs:Slow",
            "seed": 5,
            "niters": 5,
            "popsize": 12,
            "popsize_max": 48,
            "num_interactions": 700,
            "num_hidden": 0,
            "re_eval_interval": 2,
            "re_eval_num_episodes": 6,
            "obs_norm": "obs_norm" in argv,
        }
    )
    for report in Trainer(settings, team):
        print(json.dumps(report.metrics), flush=True)
    return 0


if __name__ == "__main__":
    train.Team, train.run_experiment = DoomedTeam, run  # type: ignore[misc]
    entry.run(train.main)

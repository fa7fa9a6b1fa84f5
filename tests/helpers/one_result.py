"""Short training runs of every kind, on the ranks that this is started on; rank 0 prints what came of them.

    mpiexec -n N python one_result.py kinds|families

Prints JSON: for each run its name and, for each generation, the exact bytes of center, stdev, optimizer
state and moments (hashed) and every metric that does not measure time.
"""

from __future__ import annotations

from mpi_pgpe.parallel import one_thread

if __name__ == "__main__":
    one_thread.limit()  # before numpy is loaded

# isort: split
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import families
import numpy as np

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.metrics import MEASURED
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

BASE: dict[str, Any] = {
    "env_name": "odd_envs:Walk",
    "seed": 11,
    "niters": 4,
    "popsize": 12,
    "popsize_max": 48,
    "num_interactions": 800,
    "num_hidden": 0,
    "re_eval_interval": 2,
    "re_eval_num_episodes": 5,
}
TIES = {"env_name": "CartPole-v1", "max_episode_length": 10, "popsize": 40, "num_interactions": None}
KINDS: dict[str, dict[str, Any]] = {
    "base": {},
    "one round": {"num_interactions": None},
    "up to popsize_max": {"num_interactions": 10**9},
    "ties": TIES,
    "ties in their order": TIES | {"tie_breaking": "order"},
    "raw fitness": {"solution_ranking": False},
    "no normalization": {"obs_norm": False},
    "mlp": {"num_hidden": 2, "hidden_size": 7},
    "widths": {
        "hidden_size": None,
        "num_hidden": None,
        "hidden": [7, 3],
        "activation": "gelu",
        "output_activation": "tanh",
        "bias": False,
    },
    "rnn": {"policy": "rnn", "num_hidden": 1, "hidden_size": 5, "activation": "relu"},
    "gru": {"policy": "gru", "num_hidden": None, "hidden_size": None, "hidden": [5, 3]},
    "lstm": {"policy": "lstm", "num_hidden": 1, "hidden_size": 4, "num_episodes": 2},
    "own": {"policy": "own_networks:Draws", "num_hidden": None},
    "adam": {"optimizer": "adam"},
    "three episodes": {"num_episodes": 3, "common_random_numbers": True},
    "failing": {"env_name": "odd_envs:Failing", "on_episode_error": "worst", "max_episode_errors": 1000},
    "global generators": {"env_name": "drawing_envs:FromNumpy", "num_interactions": 100},
    "wrapped": {
        "env_name": "families:Wanderer",
        "wrappers": ["StickyAction", {"repeat_action_probability": 0.3}, "FrameStackObservation", {"stack_size": 3}],
        "max_episode_length": 30,
    },
    "no reuse": {"env_name": "odd_envs:Leaky", "env_reuse": False},
}


def runs(what: str, size: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, settings, circumstances that must not matter) of each run; equal names have equal results."""
    if what == "families":
        small = {"popsize": 4, "popsize_max": 8, "num_interactions": 60, "niters": 2, "max_episode_length": 12}
        small |= {"re_eval_interval": 2, "re_eval_num_episodes": 1}
        for family in families.runnable():
            yield family.name, {"env_name": family.env, "env_config": family.config, **small}, {}
        return
    for name, changes in KINDS.items():
        yield name, changes, {}
    yield "base", {}, {"root_evaluates": False}
    for slow in range(size) if size <= 3 else (0, 1, size // 2, size - 1):
        yield "base", {}, {"slow": slow}
        yield "failing", KINDS["failing"], {"slow": slow, "root_evaluates": False}


def sha(*arrays: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def slow_down(farm: Farm) -> None:
    """Let each task of this rank take longer."""

    def slowed(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            run = next(argument for argument in arguments if callable(argument))

            def slowly(task: int, poll: Any) -> Any:
                time.sleep(0.003)
                return run(task, poll)

            return method(*(slowly if argument is run else argument for argument in arguments))

        return call

    farm.take, farm.hand_out = slowed(farm.take), slowed(farm.hand_out)  # type: ignore[method-assign]


def train(changes: dict[str, Any], root_evaluates: bool = True, slow: int | None = None) -> list[Any] | None:
    team = Team(Farm(World(), root_evaluates=root_evaluates))
    if team.world.rank == slow:
        slow_down(team.farm)
    if team.world.rank > 0:
        team.serve()
        return None
    trainer = Trainer(Settings.check(BASE | changes), team)
    found = []
    for report in trainer:
        optimizer = trainer.search.optimizer
        state = [getattr(optimizer, slot) for slot in optimizer.slots]
        moments = trainer.moments
        arrays = trainer.search.center, trainer.search.stdev, *state, moments.sum, moments.sumsq
        kept = {name: value for name, value in report.metrics.items() if name not in MEASURED}
        found.append([sha(*arrays), moments.count, report.failures and len(report.failures), kept])
    team.stop(0)
    return found


def main() -> None:
    from mpi4py import MPI

    results = [
        (name, train(changes, **circumstances))
        for name, changes, circumstances in runs(sys.argv[1], MPI.COMM_WORLD.Get_size())
    ]
    if MPI.COMM_WORLD.Get_rank() == 0:
        print(json.dumps(results))


if __name__ == "__main__":
    main()

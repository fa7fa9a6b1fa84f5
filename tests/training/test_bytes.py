"""What ranks send in a generation: a few vectors of the size of the parameters, and scalars for each direction."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from runs import BASE

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

VALUES = {"env_name": "CartPole-v1", "max_episode_length": 1, "obs_norm": True, "re_eval_interval": 100, "niters": 3}


class Counting:
    """A communicator that counts the bytes that this rank hands to it, by the name of the function."""

    def __init__(self, comm: Any) -> None:
        self._comm, self.bytes = comm, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._comm, name)

        def counted(array: Any, *args: Any, **keywords: Any) -> Any:
            self.bytes[name] += memoryview(array).nbytes
            return function(array, *args, **keywords)

        return counted if name in ("Send", "Ibcast", "Ireduce", "Iallreduce", "Igather") else function


def sent_in_the_second_generation(values: dict[str, Any]) -> tuple[int, Counter[str]] | None:
    """All ranks: train; on rank 0 returns (ranks, bytes that it sent)."""
    team = Team(Farm(World()))
    comm = team.world.comm = Counting(team.world.comm)
    if team.world.rank > 0:
        assert team.serve() == 0
        return None
    trainer = Trainer(Settings.check(BASE | VALUES | values), team)
    trainer.step()
    comm.bytes.clear()
    trainer.step()
    found = comm.bytes.copy()
    team.stop(0)
    return team.world.size, found


@pytest.mark.parametrize(("popsize", "hidden"), [(20, 30), (20, 300), (400, 30)])
@pytest.mark.parametrize("rounds", [1, 3])
def test_bytes_of_a_generation(popsize: int, hidden: int, rounds: int) -> None:
    # Episodes of one step: popsize steps a round.
    adaptive = {"popsize_max": 3 * popsize, "num_interactions": 3 * popsize} if rounds > 1 else {"popsize_max": None}
    sent = sent_in_the_second_generation({"popsize": popsize, "hidden_size": hidden, **adaptive})
    if sent is None:
        return
    ranks, found = sent
    if ranks == 1:
        assert not found
        return
    parameters, observations, directions = 7 * hidden + 2, 4, rounds * popsize // 2
    headers = 3 * 16  # of what is told: evaluate, sum, moments
    told = 8 * parameters + 8 * directions + 16 * observations + 8 * directions  # distribution, seeds; weights
    # How the ten arrays are described; it grows by a few bytes with their sizes.
    assert 0 < found["Ibcast"] - headers - told < 1100
    assert found["Ireduce"] == 16 * parameters + 8 * (4 * observations + 1)
    assert found["Iallreduce"] == 16 * observations
    assert found["Send"] <= 16 * (directions + ranks)

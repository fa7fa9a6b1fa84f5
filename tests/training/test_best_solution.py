"""The best solution of a run: its agent, played again, has the fitness that it says, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import BASE, bits, train

import mpi_pgpe
from mpi_pgpe import envs
from mpi_pgpe.agents import read_agent
from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.network import Policy
from mpi_pgpe.training.rollout import Rollout

CASES: dict[str, dict[str, Any]] = {
    "discrete, adaptive": {"env_name": "CartPole-v1", "num_interactions": 500, "popsize_max": 60},
    "first generation": {"env_name": "small_envs:Slope", "niters": 1},
    "no normalization": {"env_name": "small_envs:Slope", "niters": 5, "obs_norm": False, "num_hidden": 0},
    "far from zero": {"env_name": "small_envs:FarAway", "niters": 6, "obs_stdev_floor": 1e-3, "max_speed": 3.0},
    "episodes, a bonus taken away": {
        "env_name": "Pendulum-v1",
        "max_episode_length": 30,
        "num_episodes": 2,
        "decrease_rewards_by": 0.1,
        "common_random_numbers": True,
    },
}


def play_again(agent: Agent) -> float:
    """The fitness that the agent has with the seeds that it names, as training computes it."""
    said, settings = agent.metadata["best_solution"], agent.metadata["settings"]
    env = envs.make(agent.metadata["env_name"], agent.metadata["env_config"])
    rollout, policy = Rollout(env, settings["max_episode_length"]), Policy(agent.shape, agent.action_space)
    policy.load(agent.parameters, *(() if agent.moments is None else agent.moments.normalization()))
    fitness = 0.0
    for seed in said["seeds"]:
        episode = rollout.run(policy, seed)
        fitness += episode.total_reward
        fitness -= settings["decrease_rewards_by"] * episode.steps
    env.close()
    return fitness / len(said["seeds"])


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_played_again_it_has_its_fitness_to_the_bit(values: dict[str, Any], tmp_path: Path) -> None:
    result = train(values)
    if result is None:
        return
    trainer, reports = result
    agent = trainer.best_solution_agent()
    assert agent is not None
    best = max(reports, key=lambda report: report.metrics["pop_best"])
    said = agent.metadata["best_solution"]
    assert (said["fitness"], said["generation"]) == (best.metrics["pop_best"], best.generation)
    assert (agent.metadata["generation"], agent.metadata["timesteps"]) == (best.generation, best.metrics["timesteps"])
    assert agent.metadata["history"]["generation"] == list(range(1, best.generation + 1))
    mpi_pgpe.TrainedAgent.from_agent(agent).save(tmp_path / "best.pickle")
    assert play_again(read_agent(tmp_path / "best.pickle")) == said["fitness"]


def test_it_goes_along_when_a_run_goes_on() -> None:
    if World().rank > 0:
        return
    from mpi4py import MPI

    values = {"env_name": "small_envs:FarAway", "obs_stdev_floor": 1e-3}
    whole, reports = train(values | {"niters": 6}, MPI.COMM_SELF)
    assert whole.best_solution is not None
    assert len({report.metrics["pop_best"] for report in reports}) > 1
    for niters in range(1, 6):
        half, _ = train(values | {"niters": niters}, MPI.COMM_SELF)
        state = half.state()
        half.settings = whole.settings
        half.restore(state)
        for _ in half:
            pass
        assert bits(half.best_solution.state()) == bits(whole.best_solution.state())


def test_what_is_not_finite_is_never_the_best() -> None:
    if World().rank > 0:
        return
    from mpi4py import MPI

    trainer, _ = train({"env_name": "small_envs:SometimesNaN", "niters": 4}, MPI.COMM_SELF)
    assert np.isfinite(trainer.best_solution.fitness)
    assert BASE["niters"] == 3

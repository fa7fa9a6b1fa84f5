"""init_from: training begins at a saved agent's center and moments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mpi4py import MPI
from places import DATA

from mpi_pgpe.agents import Agent, read_agent, write_agent
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.metrics import HISTORY
from mpi_pgpe.training.settings import BadSettings, Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

LANDER = DATA / "pgpelib_lunarlander.pickle"
BASE = {
    "env_name": "Pendulum-v1",
    "seed": 1,
    "popsize": 4,
    "niters": 3,
    "num_hidden": 1,
    "hidden_size": 3,
    "re_eval_interval": 2,
    "re_eval_num_episodes": 2,
    "save_interval": 1,
}


def alone() -> Team:
    """One rank's team, under mpiexec too."""
    return Team(Farm(World(MPI.COMM_SELF)))


def run(**settings) -> tuple[Trainer, list]:
    trainer = Trainer(Settings.check(BASE | settings), alone())
    return trainer, list(trainer)


@pytest.fixture
def file(tmp_path):
    _, reports = run()
    path = tmp_path / "agent.pickle"
    write_agent(path, reports[-1].agent)
    return path


def test_center_and_moments_are_those_of_the_agent(file):
    agent = read_agent(file)
    assert agent.parameters.any()
    assert agent.moments.count > 0
    trainer = Trainer(Settings.check(BASE | {"init_from": str(file)}), alone())
    np.testing.assert_array_equal(trainer.search.center.astype(np.float32), agent.parameters)
    assert trainer.moments.count == agent.moments.count
    np.testing.assert_array_equal(trainer.moments.sum, agent.moments.sum)
    np.testing.assert_array_equal(trainer.moments.sumsq, agent.moments.sumsq)
    trainer.step()
    assert trainer.moments.count > agent.moments.count
    assert read_agent(file).moments.count == agent.moments.count


def test_a_run_that_begins_elsewhere_is_another_run(file):
    (_, plain), (_, begun) = run(), run(init_from=str(file))
    assert plain[0].metrics["pop_mean"] != begun[0].metrics["pop_mean"]
    again = run(init_from=str(file))[1]
    assert again[2].metrics["pop_mean"] == begun[2].metrics["pop_mean"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 4}, r"3-4-1 \(tanh\).*got 3-3-1 \(tanh\)"),
        ({"num_hidden": 0}, r"a policy 3-1 \(linear\).*got 3-3-1 \(tanh\)"),
        ({"obs_norm": False}, "has a normalization of observations, but obs_norm=False; set obs_norm=True"),
        (
            {"env_name": "CartPole-v1"},
            r"of shape 4-3-2 \(tanh\) with 2 discrete actions, as CartPole-v1 has them, got 3-3-1",
        ),
        ({"init_from": "missing.pickle"}, "init_from: missing.pickle: cannot be read"),
        ({"init_from": 7}, "init_from: expected None or a path, got 7"),
    ],
)
def test_what_does_not_fit_is_refused(file, settings, message):
    with pytest.raises(BadSettings, match=message):
        run(**{"init_from": str(file)} | settings)


def test_discrete_and_continuous_actions_are_told_apart(file):
    agent = read_agent(file)
    space = type(agent.action_space)(1)  # one discrete action, in place of one continuous
    write_agent(file, Agent(agent.parameters, agent.shape, space, agent.moments, {}))
    with pytest.raises(BadSettings, match=r"with 1 continuous actions.*with 1 discrete actions"):
        run(init_from=str(file))


@pytest.mark.launches
def test_on_the_command_line_an_agent_of_pgpelib_too(launch, tmp_path):
    lander = ["lunarlander", "seed=1", "popsize=4", "niters=1", "radius=0.001", f"init_from={LANDER}"]
    done = launch("-m", "mpi_pgpe.train", "-F", tmp_path / "r", "with", *lander, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("r/1/*iter1.pickle")
    assert read_agent(saved).metadata["returns"]["re_eval_mean"] > 200  # as good as it was
    done = launch("-m", "mpi_pgpe.train", "-F", tmp_path / "s", "with", *lander, "num_hidden=2", cwd=tmp_path)
    assert done.returncode != 0
    assert "init_from: expected a policy 8-64-64-2 (tanh)" in done.stderr
    assert not (tmp_path / "s" / "1").exists()  # refused before a run is recorded


def test_the_history_goes_with_the_agent():
    _, reports = run()
    history = reports[2].agent.metadata["history"]
    assert list(history) == list(HISTORY)
    for name in ("generation", "timesteps", "pop_mean", "pop_median", "pop_best"):
        assert history[name] == [report.metrics[name] for report in reports]
    # The third was re-evaluated because the run ended: a longer run would not have done it.
    assert history["re_eval_mean"] == [None, reports[1].metrics["re_eval_mean"], None]
    assert len(reports[0].agent.metadata["history"]["generation"]) == 1  # later generations do not reach it


def test_the_history_survives_a_resume():
    trainer, _ = run()
    other = Trainer(Settings.check(BASE), alone())
    other.restore(trainer.state())
    assert other.history == trainer.history
    assert len(other.history["generation"]) == 3


def test_a_long_history_is_thinned(monkeypatch):
    monkeypatch.setattr("mpi_pgpe.training.metrics._LONGEST_HISTORY", 6)
    trainer, _ = run(niters=20)
    generations = trainer.history["generation"]
    assert len(generations) <= 6
    assert generations[-1] >= 19
    assert all(a < b for a, b in itertools.pairwise(generations))
    assert {len(values) for values in trainer.history.values()} == {len(generations)}

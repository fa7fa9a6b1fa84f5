"""One result for any number of ranks: a run of the whole world against the same run of one rank."""

from __future__ import annotations

import functools
import json
import operator

import numpy as np
import pytest
from runs import outcome, train

from mpi_pgpe.agents import read_agent
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.metrics import MEASURED

CARTPOLE = {"env_name": "CartPole-v1"}
PENDULUM = {"env_name": "Pendulum-v1", "max_episode_length": 30, "niters": 2}
LANDER = {"env_name": "LunarLanderContinuous-v2", "max_episode_length": 60, "niters": 2}
HOPPER = {"env_name": "HopperBulletEnv-v0", "niters": 2, "re_eval_num_episodes": 2}
ADAPTIVE = {"num_interactions": 500, "popsize_max": 60}

CASES = {
    "adaptive": CARTPOLE | ADAPTIVE | {"niters": 6},
    "adaptive, linear, no normalization": CARTPOLE | ADAPTIVE | {"num_hidden": 0, "obs_norm": False},
    "popsize_max reached": CARTPOLE | {"num_interactions": 10**6, "popsize_max": 40},
    "ties": CARTPOLE | {"max_episode_length": 10, "popsize": 30, "niters": 4},
    "raw fitness, adam": PENDULUM | {"solution_ranking": False, "optimizer": "adam"},
    "two hidden layers, sgd": PENDULUM | {"num_hidden": 2, "optimizer": "sgd"},
    "episodes, common seeds": CARTPOLE | ADAPTIVE | {"num_episodes": 2, "common_random_numbers": True},
    "lander": LANDER | {"obs_norm": False, "num_hidden": 0},
    "lander, normalized": LANDER,
    "hopper, adaptive": HOPPER | {"num_interactions": 300, "popsize_max": 32},
    "environments that differ": PENDULUM
    | {"env_name": "small_envs:Slope", "re_eval_env_name": "small_envs:Slope-v0", "max_episode_length": None},
    "far from zero": {"env_name": "small_envs:FarAway", "niters": 4, "obs_stdev_floor": 1e-3},
    "nan": {"env_name": "small_envs:SometimesNaN", "niters": 4},
}


def on_one_rank(values):
    from mpi4py import MPI

    return outcome(*train(values, MPI.COMM_SELF))


@pytest.mark.parametrize("root_evaluates", [True, False])
@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_all_ranks_compute_what_one_computes(values, root_evaluates):
    result = train(values, root_evaluates=root_evaluates)
    if result is not None:
        trainer, reports = result
        assert len(reports) == trainer.settings.niters
        expected = on_one_rank(values)
        assert outcome(trainer, reports) == expected


def test_adaptive_population_is_exercised():
    """The case above is worth something only if its populations grow, to different sizes."""
    if World().rank == 0:
        sizes = [dict(m)["popsize"] for m in on_one_rank(CASES["adaptive"])["metrics"]]
        assert len(set(sizes)) > 2
        assert max(sizes) < 60


def test_another_seed_is_another_run():
    if World().rank == 0:
        assert on_one_rank(CARTPOLE)["search"]["center"] != on_one_rank(CARTPOLE | {"seed": 6})["search"]["center"]


def test_statistics_of_observations_far_from_zero_are_exact_and_go_on_after_a_restore():
    if World().rank > 0:
        return
    from mpi4py import MPI

    values = {"env_name": "small_envs:FarAway", "popsize": 60, "obs_stdev_floor": 1e-3}
    trainer, _ = train(values | {"niters": 1}, MPI.COMM_SELF)
    first = trainer.moments
    assert first.reference is not None
    assert first.reference[0] == 0
    assert abs(first.reference[1] - 1e6) < 5
    near, _ = train(values | {"niters": 1, "env_name": "small_envs:Slope"}, MPI.COMM_SELF)
    # The bonus alone, as float32 has it beside a million: in sixteenths.
    assert first.stdev()[1] == pytest.approx(near.moments.stdev()[1], rel=0.01)
    whole, _ = train(values | {"niters": 4}, MPI.COMM_SELF)
    assert whole.moments.reference.tobytes() == first.reference.tobytes()
    resumed, _ = train(values | {"niters": 1}, MPI.COMM_SELF)
    resumed.restore(trainer.state())
    assert resumed.digest() == trainer.digest()
    assert resumed.moments.reference.tobytes() == first.reference.tobytes()
    assert resumed.moments.stdev().tobytes() == first.stdev().tobytes()


def test_each_bit_of_the_state_is_in_its_digest():
    if World().rank > 0:
        return
    from mpi4py import MPI

    trainer, reports = train(CARTPOLE, MPI.COMM_SELF)
    digests = [report.metrics["state_digest"] for report in reports]
    assert trainer.digest() == digests[-1]
    parts = ["search center", "search stdev", "search optimizer velocity", "moments sum", "moments sumsq"]
    for part in parts:
        state = trainer.state()
        array = functools.reduce(operator.getitem, part.split(), state["result"])
        array.view(np.uint8)[0] ^= 1
        trainer.restore(state)
        digests.append(trainer.digest())
    assert len(set(digests)) == len(reports) + len(parts)


@pytest.fixture(scope="module")
def recorded_runs(tmp_path_factory, launch):
    """The same run by the command line on 1, 2 and 3 ranks: {ranks: folder}."""
    folder = tmp_path_factory.mktemp("results")
    for ranks in (1, 2, 3):
        values = ["fast", "niters=4", "popsize=8", "num_interactions=300", "seed=9", "re_eval_interval=2"]
        run = launch("-m", "mpi_pgpe.train", "-F", folder / str(ranks), "with", *values, ranks=ranks)
        assert run.returncode == 0, run.stderr
    return {ranks: folder / str(ranks) / "1" for ranks in (1, 2, 3)}


@pytest.mark.launches
@pytest.mark.parametrize("ranks", [2, 3])
def test_recorded_runs_are_equal(recorded_runs, ranks):
    def metrics(folder):
        recorded = json.loads((folder / "metrics.json").read_text())
        return {name: (m["steps"], m["values"]) for name, m in recorded.items() if name not in MEASURED}

    one, several = recorded_runs[1], recorded_runs[ranks]
    assert metrics(one) == metrics(several)
    agents = {"best.pickle", "best_solution.pickle", "CartPole-v1_seed9_iter4.pickle"}
    assert {p.name for p in one.glob("*.pickle")} == agents
    for file in one.glob("*.pickle"):
        a, b = read_agent(file), read_agent(several / file.name)
        assert a.parameters.tobytes() == b.parameters.tobytes()
        assert a.moments.sum.tobytes() == b.moments.sum.tobytes()
        assert a.moments.sumsq.tobytes() == b.moments.sumsq.tobytes()
        assert a.moments.count == b.moments.count
        assert a.metadata == b.metadata


def test_metadata_has_what_is_needed_to_judge_an_agent():
    result = train(CARTPOLE | {"notes": "first try", "niters": 2})
    if result is None:
        return
    trainer, reports = result
    agent = reports[-1].agent
    data = agent.metadata
    assert (data["env_name"], data["env_config"], data["notes"]) == ("CartPole-v1", {}, "first try")
    assert (data["generation"], data["timesteps"], data["seed"]) == (2, trainer.timesteps, 5)
    assert data["returns"]["re_eval_mean"] == trainer.re_eval["re_eval_mean"]
    assert data["returns"]["pop_mean"] == reports[-1].metrics["pop_mean"]
    assert {"mpi_pgpe", "python", "numpy", "gym"} <= set(data["versions"])
    assert np.array_equal(agent.parameters, trainer.search.center.astype(np.float32))
    json.dumps(data)  # plain data

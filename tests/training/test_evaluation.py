"""What a solution's fitness is, against plain loops over gym's own environments; and what is made of it.

Each rank runs these for itself, in a world of its own.
"""

from __future__ import annotations

import itertools
import sys
import warnings

import gym
import numpy as np
import pytest
import small_envs
from runs import bits, train

from mpi_pgpe import envs
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Abandoned
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.search.noise import Noise
from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.search.seeds import seed_table
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING, Distribution, Job
from mpi_pgpe.training.rollout import Rollout
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team

GENERATION, SEED, DIRECTIONS, HIDDEN = 6, 11, 4, (3,)


def world_of_one():
    from mpi4py import MPI

    return MPI.COMM_SELF


def evaluate(purpose, shape, normalized, directions=DIRECTIONS, **job):
    """The results of all tasks, shape (tasks, 4), by the team; and the distribution that it was given."""
    rng = np.random.default_rng(3)
    size, n = shape.num_parameters, shape.observation_size
    distribution = Distribution(
        generation=GENERATION,
        center=rng.normal(size=size).astype(np.float32),
        stdev=rng.uniform(0.1, 1, size=size).astype(np.float32),
        mean=rng.normal(size=n) / 4 if normalized else None,
        obs_stdev=rng.uniform(0.5, 2, size=n) if normalized else None,
        seeds=seed_table(SEED, GENERATION, DIRECTIONS),
    )
    team = Team(Farm(World(world_of_one())))
    settings = {"seed": SEED, "hidden_size": HIDDEN[0], "num_hidden": len(HIDDEN)} | job
    team.start(Job.from_settings(Settings.check({"popsize": 10000} | settings)))
    tasks = Rounds(directions)
    team.evaluate(purpose, distribution, tasks)
    return tasks.results(), distribution, team


def oracle_episode(env, parameters, d, seed, max_length=None, seen=None):
    """(return, steps) of an episode, by a loop in float64 from the formulas."""
    observation, _ = env.reset(seed=seed)
    n = len(observation)
    sizes, start, layers = [n, *HIDDEN, PolicyShape(n, 1).num_parameters - n], 0, []
    sizes[-1] = env.action_space.n if hasattr(env.action_space, "n") else env.action_space.shape[0]
    for n_in, n_out in itertools.pairwise(sizes):
        w = parameters[start : start + n_in * n_out].reshape(n_out, n_in).astype(np.float64)
        start += n_in * n_out
        layers.append((w, parameters[start : start + n_out].astype(np.float64)))
        start += n_out
    assert start == len(parameters)
    total, steps, done = 0.0, 0, False
    while not done:
        x = np.asarray(observation, np.float64)
        if seen is not None:
            seen.append(x)
        if d.mean is not None:
            x = (x - d.mean) / d.obs_stdev
        for i, (w, b) in enumerate(layers):
            x = w @ (np.tanh(x) if i else x) + b
        if hasattr(env.action_space, "n"):
            action = int(np.argmax(x)) + int(env.action_space.start)
        else:
            action = np.clip(x, env.action_space.low, env.action_space.high).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        total, steps = total + reward, steps + 1
        done = terminated or truncated or steps == max_length
    return total, steps


def oracle_seed(*place):
    return int(np.random.SeedSequence([SEED, *place]).generate_state(1)[0] >> 1)


NAMES = {
    "Pendulum-v1": PolicyShape(3, 1, HIDDEN),
    "CartPole-v1": PolicyShape(4, 2, HIDDEN),
    "small_envs:Slope-v0": PolicyShape(2, 1, HIDDEN),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_episodes": 3},
        {"common_random_numbers": True},
        {"num_episodes": 2, "common_random_numbers": True},
        {"decrease_rewards_by": 0.75},
        {"decrease_rewards_by": -2.0, "num_episodes": 2},
        {"max_episode_length": 3},
    ],
    ids=str,
)
def test_fitness_of_mirrored_pairs(name, normalized, options):
    shape = NAMES[name]
    results, d, team = evaluate(TRAINING, shape, normalized, env_name=name, re_eval_env_name=name, **options)
    env, noise, seen = gym.make(name, disable_env_checker=True), Noise(shape.num_parameters), []
    for direction, row in enumerate(results):
        delta = d.stdev * noise.direction(d.seeds[direction])
        for sign, parameters in enumerate([d.center + delta, d.center - delta]):
            fitnesses, steps = [], 0
            for number in range(options.get("num_episodes", 1)):
                common = options.get("common_random_numbers", False)
                seed = oracle_seed(0, GENERATION, direction, 0 if common else sign, number)
                total, length = oracle_episode(env, parameters, d, seed, options.get("max_episode_length"), seen)
                fitnesses.append(total - length * options.get("decrease_rewards_by", 0))
                steps += length
            assert row["fitness"][sign] == pytest.approx(np.mean(fitnesses), rel=1e-3, abs=1e-5)
            assert row["interactions"][sign] == steps
    if normalized:
        moments, seen = team.moments(DIRECTIONS), np.array(seen)
        assert moments.count == len(seen)
        np.testing.assert_allclose(moments.sum, seen.sum(axis=0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(moments.sumsq, (seen**2).sum(axis=0), rtol=1e-4)


def test_moments_are_of_the_directions_that_belong():
    name = "small_envs:Slope-v0"
    job = {"env_name": name, "re_eval_env_name": name}
    _, _, some = evaluate(TRAINING, NAMES[name], True, directions=2, **job)
    _, _, more = evaluate(TRAINING, NAMES[name], True, directions=4, **job)  # as if two were handed out too early
    assert more.moments(4).count > some.moments(2).count
    assert bits(vars(more.moments(2))) == bits(vars(some.moments(2)))


@pytest.mark.parametrize("name", NAMES)
def test_re_evaluation_is_of_the_center_with_plain_rewards_and_whole_episodes(name):
    results, d, _ = evaluate(
        RE_EVALUATION,
        NAMES[name],
        True,
        env_name="Acrobot-v1",
        re_eval_env_name=name,
        decrease_rewards_by=10.0,
        max_episode_length=2,
        num_episodes=2,
        common_random_numbers=True,
    )
    env = gym.make(name, disable_env_checker=True)
    for number, row in enumerate(results):
        total, length = oracle_episode(env, d.center, d, oracle_seed(1, GENERATION, number, 0, 0))
        assert row["fitness"][0] == pytest.approx(total, rel=1e-3)
        assert row["fitness"][1] == 0
        assert row["interactions"].tolist() == [length, 0]


@pytest.mark.parametrize("length", [1, 7, 1000, 1001, 2500])
def test_max_episode_length_is_the_exact_number_of_steps(length):
    results, _, _ = evaluate(
        TRAINING,
        PolicyShape(2, 1, HIDDEN),
        False,
        env_name="small_envs:Endless",
        re_eval_env_name="small_envs:Endless",
        max_episode_length=length,
    )
    assert results["interactions"].tolist() == [[length, length]] * DIRECTIONS


@pytest.mark.parametrize(("asked", "steps"), [(None, 5), (3, 3), (100, 5)])
def test_the_shorter_of_two_time_limits_holds(asked, steps):
    name = "small_envs:Slope-v0"  # at most 5 steps, some episodes are shorter
    results, _, _ = evaluate(
        TRAINING, NAMES[name], False, env_name=name, re_eval_env_name=name, max_episode_length=asked
    )
    assert results["interactions"].max() == steps


@pytest.mark.parametrize("limit", [None, 100_500])
def test_an_episode_that_goes_on_without_a_limit_warns_of_it(limit):
    rollout = Rollout(envs.make("small_envs:Endless", {}), limit)
    shape = PolicyShape(2, 1)
    policy = Policy(shape, rollout.env.action_space)
    policy.load(np.zeros(shape.num_parameters, np.float32))
    steps = itertools.count(1)  # the polls of the first episode

    def poll():
        if next(steps) == 100_400:
            raise Abandoned

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(Abandoned):
            rollout.run(policy, 0, between_steps=poll)
    assert ["100,000 steps" in str(w.message) for w in caught] == [True] * (limit is None)


def test_target_return_ends_the_run_at_the_re_evaluation_that_reaches_it():
    values = {"env_name": "CartPole-v1", "niters": 12, "re_eval_interval": 3, "save_interval": 100, "popsize": 20}
    _, reports = train(values, world_of_one())
    means = {r.generation: r.metrics["re_eval_mean"] for r in reports if "re_eval_mean" in r.metrics}
    assert list(means) == [3, 6, 9, 12]
    later = max(means[6], means[9])
    assert later > means[3], "this seed learns nothing"
    reached = next(g for g in means if means[g] >= later)
    trainer, reports = train(values | {"target_return": later}, world_of_one())
    assert reports[-1].generation == reached
    assert trainer.re_eval["re_eval_mean"] == later
    assert reports[-1].agent is not None  # the last center is always saved
    trainer, reports = train(values | {"target_return": 1e9}, world_of_one())
    assert reports[-1].generation == 12


def test_intervals_of_saving_and_re_evaluation():
    values = {"env_name": "CartPole-v1", "niters": 7, "re_eval_interval": 3, "save_interval": 2}
    _, reports = train(values, world_of_one())
    assert [r.generation for r in reports if "re_eval_mean" in r.metrics] == [3, 6, 7]
    assert [r.generation for r in reports if r.agent is not None] == [2, 4, 6, 7]
    best, expected = -np.inf, []
    for r in reports:
        if r.metrics.get("re_eval_mean", -np.inf) > best:
            best = r.metrics["re_eval_mean"]
            expected.append(r.generation)
    assert [r.generation for r in reports if r.best is not None] == expected


def test_timesteps_are_the_steps_that_training_made(monkeypatch):
    monkeypatch.delitem(sys.modules, "pybullet", raising=False)  # with it, one more is made to look at its bodies
    small_envs.MADE.clear()
    trainer, reports = train({"env_name": "small_envs:Slope"}, world_of_one())
    assert small_envs.MADE == ["Slope"] * 2  # one for training, one for re-evaluation
    env = trainer.team.environment(TRAINING)._env
    assert env.steps_made == trainer.timesteps == sum(r.metrics["pop_timesteps"] for r in reports)
    assert trainer.moments.count == trainer.timesteps
    assert [r.metrics.get("re_eval_timesteps") for r in reports] == [
        r.metrics["timesteps"] if "re_eval_mean" in r.metrics else None for r in reports
    ]


def test_episodes_with_observations_that_are_not_finite_leave_no_trace_in_the_moments():
    values = {"env_name": "small_envs:Blinded", "re_eval_env_name": "small_envs:Slope", "niters": 1, "popsize": 30}
    trainer, (report,) = train(values | {"obs_norm": True, "seed": SEED}, world_of_one())
    seeds = [oracle_seed(0, 0, direction, sign, 0) for direction in range(15) for sign in (0, 1)]
    env, steps = small_envs.Slope(), 0
    for seed in seeds:
        env.reset(seed=seed)
        steps += env.left if seed % 3 else 0
    assert 0 < report.metrics["pop_nonfinite"] == sum(seed % 3 == 0 for seed in seeds) < 30
    assert trainer.moments.count == steps
    assert trainer.moments.is_finite()


@pytest.mark.parametrize("ranking", [True, False])
@pytest.mark.parametrize("name", ["SometimesNaN", "SpoiltByNaN"])
def test_nonfinite_returns_are_counted_and_worst_and_not_in_the_statistics(name, ranking):
    values = {"env_name": f"small_envs:{name}", "niters": 1, "popsize": 30, "solution_ranking": ranking}
    values |= {"obs_norm": False, "seed": SEED, "hidden_size": HIDDEN[0]}
    trainer, (report,) = train(values, world_of_one())
    seeds = [oracle_seed(0, 0, direction, sign, 0) for direction in range(15) for sign in (0, 1)]
    bad = np.array([seed % 3 < 2 for seed in seeds])
    assert 0 < bad.sum() < 30
    metrics = report.metrics
    assert metrics["pop_nonfinite"] == bad.sum()
    # The same search, told the same fitnesses but an enormous penalty where they are not finite.
    search = PGPE(
        solution_length=trainer.subject.num_parameters,
        popsize=30,
        optimizer_config={"max_speed": 0.3},
        stdev_init=0.3 * 15 / np.sqrt(trainer.subject.num_parameters),
        seed=SEED,
        solution_ranking=ranking,
    )
    env, d = small_envs.Slope(), Distribution(0, *[np.zeros(1)] * 2, None, None, np.zeros(1))
    fitness = np.array([oracle_episode(env, x, d, seed)[0] for x, seed in zip(search.ask(), seeds, strict=True)])
    assert metrics["pop_mean"] == pytest.approx(fitness[~bad].mean())
    assert metrics["pop_best"] == pytest.approx(fitness[~bad].max())
    assert metrics["pop_median"] == pytest.approx(np.median(fitness[~bad]))
    search.tell(np.where(bad, fitness[~bad].min() if not ranking else -1e30, fitness))
    np.testing.assert_allclose(trainer.search.center, search.center, rtol=1e-3, atol=1e-6)
    assert np.isfinite(trainer.search.stdev).all()


def test_an_environment_that_raised_is_made_anew():
    values = {"env_name": "small_envs:SpoiltByRaising", "re_eval_env_name": "small_envs:Slope", "niters": 1}
    values |= {"popsize": 30, "seed": SEED, "on_episode_error": "worst", "max_episode_errors": 30}
    _, (report,) = train(values, world_of_one())
    failing = sum(oracle_seed(0, 0, direction, sign, 0) % 3 == 0 for direction in range(15) for sign in (0, 1))
    assert 0 < failing < 30
    assert report.metrics["pop_failed"] == failing


@pytest.mark.parametrize("name", ["small_envs:AlwaysNaN", "small_envs:SometimesNaN"])
def test_nonfinite_re_evaluation_is_never_the_best(name):
    values = {"env_name": "small_envs:Slope", "re_eval_env_name": name, "niters": 6, "re_eval_interval": 1}
    trainer, reports = train(values | {"target_return": 1e6}, world_of_one())
    assert len(reports) == 6
    means = [r.metrics["re_eval_mean"] for r in reports]
    assert not np.isfinite(means).any(), "the case is not exercised"
    assert all(r.best is None for r in reports)
    assert np.isfinite(trainer.search.center).all()


def test_population_without_a_finite_return_leaves_a_finite_center():
    for ranking in (True, False):
        values = {"env_name": "small_envs:AlwaysNaN", "solution_ranking": ranking}
        trainer, reports = train(values, world_of_one())
        assert all(r.metrics["pop_nonfinite"] == 8 and np.isnan(r.metrics["pop_best"]) for r in reports)
        assert np.isfinite(trainer.search.center).all()
        assert np.isfinite(trainer.search.stdev).all()
        if not ranking:
            assert not trainer.search.center.any()  # a gradient of zero from the start

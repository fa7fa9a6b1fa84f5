"""How an episode is played in blocks of steps, one by one or in a stretch."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
from families import random_policy

from mpi_pgpe import envs
from mpi_pgpe.training import rollout
from mpi_pgpe.training.rollout import Episode, Rollout

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("name", ["Pendulum-v1", "HalfCheetah-v5"])
@pytest.mark.parametrize("rows", [1, 4, 7, 10, 19, 20])
def test_an_episode_is_the_same_in_blocks_of_any_number_of_steps(
    name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = envs.make(name, {})

    def play(rows: int) -> Episode:
        monkeypatch.setattr(rollout, "_ROWS", rows)
        return Rollout(env, 20).run(random_policy(env), 3, collect_moments=True)

    whole, in_blocks = play(1000), play(rows)
    assert (in_blocks.total_reward, in_blocks.steps, in_blocks.truncated) == (whole.total_reward, 20, True)
    assert whole.moments is not None
    assert in_blocks.moments is not None
    assert in_blocks.moments.count == 20
    np.testing.assert_allclose(in_blocks.moments.sum, whole.moments.sum, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(in_blocks.moments.sumsq, whole.moments.sumsq, rtol=1e-6)


@pytest.mark.parametrize("name", ["CartPole-v1", "Hopper-v5"])
def test_an_episode_that_ends_at_its_limit_by_itself_is_not_truncated(name: str) -> None:
    env = envs.make(name, {})
    policy = random_policy(env)
    whole = Rollout(env).run(policy, 3)
    assert not whole.truncated
    for limit, truncated in ((whole.steps - 1, True), (whole.steps, False), (whole.steps + 1, False)):
        episode = Rollout(env, limit).run(policy, 3)
        assert (episode.steps, episode.truncated) == (min(limit, whole.steps), truncated)


def test_an_action_stays_the_environments() -> None:
    env, kept = envs.make("Pendulum-v1", {}), []
    step = env.step
    env.step = lambda action: (kept.append((action, action.copy())), step(action))[1]
    player = Rollout(env, 20)
    for seed in range(2):
        player.run(random_policy(env), seed)
    assert len({before.tobytes() for _, before in kept}) > 1
    assert all((action == before).all() for action, before in kept)


def test_an_environment_is_renewed_once_after_an_episode() -> None:
    env, made = envs.make("Pendulum-v1", {}), []
    env.remake = lambda: made.append("anew")
    player = Rollout(env, 5)
    player.renew()
    assert not made
    player.run(random_policy(env), 3)
    player.renew(), player.renew()
    assert made == ["anew"]


def test_each_step_and_the_reset_are_timed() -> None:
    """In an environment without stretches; test_fast_mujoco.py has the same for one with them."""
    env, calls = envs.make("Pendulum-v1", {}), collections.Counter[Any]()
    player = Rollout(env, 20)
    player.timed = lambda function: lambda *arguments: (calls.update([function]), function(*arguments))[1]
    player.run(random_policy(env), 3)
    assert calls == {env.reset: 1, env.step: 20}

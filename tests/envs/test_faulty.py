"""What environments do against their interface is refused in a sentence, or taken as it is meant."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from families import random_policy

from mpi_pgpe import envs
from mpi_pgpe.envs.adapter import _frames_per_second
from mpi_pgpe.training import rollout
from mpi_pgpe.training.rollout import Rollout

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("when", ["reset", "later"])
@pytest.mark.parametrize("shape", [[], [1], [1, 3], [4], [3, 3]])
def test_an_observation_of_another_shape_is_refused(shape: list[int], when: str) -> None:
    env = envs.make("faulty_envs:OtherShape", {"shape": shape, "when": when})
    said = f"expected observations of shape (3,), as the environment's observation_space says, got shape {tuple(shape)}"
    matching = re.escape(said) if shape != [3, 3] or when == "reset" else "shape"  # numpy's own word
    with pytest.raises(ValueError, match=matching):
        Rollout(env).run(random_policy(env), 1)


def test_info_may_be_none_in_the_old_api() -> None:
    env = envs.make("faulty_envs:NoInfo", {})
    assert Rollout(env).run(random_policy(env), 1).steps == 10


def test_a_wrapper_that_hands_no_seed_on_is_refused() -> None:
    with pytest.raises(envs.UnsupportedEnvironment, match="that of _ForgetsSeed takes no seed; give it"):
        envs.make("faulty_envs:wrapped_without_seed", {})


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"render_fps": 0.5}, 0.5),
        ({"render_fps": 29.97}, 29.97),
        ({"video.frames_per_second": np.int64(50)}, 50),
        ({"render_fps": 0, "video.frames_per_second": 20}, 20),
        *(({"render_fps": value}, 30) for value in (None, 0, -1, float("nan"), float("inf"), "60")),
    ],
)
def test_frames_per_second(metadata: dict[str, Any], found: float) -> None:
    assert _frames_per_second(metadata) == found


@pytest.mark.parametrize("steps", [1, 99, 300, 2500])
def test_observations_are_kept_in_bounded_memory_with_the_same_bits(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(bytes_kept: int, copied: int) -> Any:
        monkeypatch.setattr(rollout, "_BYTES", bytes_kept)
        monkeypatch.setattr("mpi_pgpe.policies.normalization._LARGEST_COPY", copied)
        env = envs.make("faulty_envs:Plain", {"length": steps})
        player = Rollout(env)
        assert player._observations.nbytes <= bytes_kept + 16
        return player.run(random_policy(env), 5, collect_moments=True)

    whole, parts = play(10**6, 10**6), play(16 * 83, 8 * 3 * 20)
    assert (parts.total_reward, parts.steps) == (whole.total_reward, steps)
    assert parts.moments.count == whole.moments.count == steps
    assert parts.moments.sum.tobytes() == whole.moments.sum.tobytes()
    assert parts.moments.sumsq.tobytes() == whole.moments.sumsq.tobytes()


def test_very_many_observations_take_little_memory() -> None:
    env = envs.make("faulty_envs:Wide", {"length": 100})
    player = Rollout(env)
    kept = player._observations.nbytes + player._actions.nbytes + player._records.nbytes
    assert kept <= 2**25 + 4 * 100_001
    moments = player.run(random_policy(env), 5, collect_moments=True).moments
    assert moments is not None
    assert moments.count == 100


def test_an_episode_that_is_only_watched_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    env = envs.make("small_envs:Endless", {})
    assert env.time_limit is None
    policy = random_policy(env)
    with pytest.warns(UserWarning, match="ended after 100,000 steps.*re_eval_max_episode_length"):
        episode = Rollout(env, None, 3000).run(policy, 1)
    assert (episode.steps, episode.truncated) == (3000, True)
    assert Rollout(env, 4000, 3000).run(policy, 1).steps == 4000  # as it was asked for
    limited = envs.make("small_envs:Slope", {})
    limited.time_limit = 5000
    assert Rollout(limited, None, 3000).limit == 3000
    limited.time_limit = 10
    assert Rollout(limited, None, 3000).limit == 10

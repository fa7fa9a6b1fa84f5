"""An episode depends on policy, moments and seed alone, whatever its environment was used for before."""

from __future__ import annotations

import sys

import mujoco
import numpy as np
import pytest
from families import FAMILIES, Family, cases, needs_mujoco_py
from places import HELPERS

from mpi_pgpe import doctor
from mpi_pgpe.cli.episode_leaks import judge, measure
from mpi_pgpe.cli.numbered_episodes import Cast, Stage

pytestmark = pytest.mark.slow

SLEEPS = pytest.mark.skipif(
    mujoco.__version__ < "4", reason="bodies sleep from MuJoCo 4 on: bin/test without --mujoco3"
)
NO_OLD_NUMPY = pytest.mark.skipif(np.__version__ >= "2", reason="gym's own wrappers want an older numpy")


@pytest.fixture(autouse=True)
def _odd_envs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HELPERS)
    for module in ("odd_envs", "leaky_envs"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("family", cases(FAMILIES))
def test_nothing_leaks_from_an_episode_into_the_next(family: Family) -> None:
    found = measure(family.env, family.config, episodes=4)
    assert [str(situation) for situation in found if situation.different] == []
    assert all(situation.episodes == 4 for situation in found)


def test_a_leak_is_measured() -> None:
    found = {situation.name: situation for situation in measure("odd_envs:Leaky", {}, episodes=3)}
    assert found["in another fresh environment"].different == 0
    assert found["after other episodes"].different == 3
    assert found["after other episodes"].largest == pytest.approx(0.01 * 30 * 4)  # its last is its fifth episode
    assert found["after an episode cut short"].different == 3
    assert found["beside another client"].different == 2  # the first one is the environment's first
    assert found["in another process"].different == 3


def test_what_another_process_has_is_measured() -> None:
    found = {situation.name: situation.different for situation in measure("leaky_envs:FromTheSystem", {}, episodes=3)}
    assert found.pop("in another process") == 3
    assert set(found.values()) == {0}


def test_an_environment_made_anew_does_not_leak() -> None:
    assert not any(situation.different for situation in measure("odd_envs:Leaky", {}, episodes=3, reuse=False))


@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        ("normalized_observations", {"NormalizeObservation.obs_rms"}),
        ("normalized_rewards", {"NormalizeReward.discounted_reward", "NormalizeReward.return_rms"}),
        pytest.param("normalized_observations_of_gym", {"NormalizeObservation.obs_rms"}, marks=NO_OLD_NUMPY),
        pytest.param("normalized_rewards_of_gym", {"NormalizeReward.return_rms"}, marks=NO_OLD_NUMPY),
        ("OwnGenerator", {"OwnGenerator.generator"}),
        ("Crawler", {"Crawler.data.qacc_warmstart", "Crawler.data.time"}),
        ("WornGround", {"WornGround.model.geom_friction"}),
        ("Pile", {"Pile.world"}),
    ],
)
def test_what_carries_over_is_named(name: str, keeps: set[str]) -> None:
    verdict = judge(f"leaky_envs:{name}", {})
    assert verdict.leaks
    assert set(verdict.keeps) == keeps
    assert all(kept in verdict.finding for kept in keeps)
    assert "train with env_reuse=False" in verdict.do


def test_what_a_class_counts_is_named_though_a_new_environment_does_not_help() -> None:
    verdict = judge("leaky_envs:CountsInItsClass", {})
    assert (verdict.leaks, verdict.keeps) == (True, ("CountsInItsClass.episodes",))
    assert verdict.finding.endswith("even when it is made anew for every episode")
    assert "env_reuse" not in verdict.do


def test_a_curriculum_that_no_episode_met_yet_is_told() -> None:
    verdict = judge("leaky_envs:Curriculum", {})
    assert (verdict.leaks, verdict.keeps) == (False, ("Curriculum.level",))
    assert "Curriculum.level" in verdict.finding


@pytest.mark.parametrize(
    "name",
    [
        "Tame",
        "stacked_frames",
        "delayed_observations",
        "sticky_actions",
        "time_in_observations",
        "recorded_statistics",
        "WholeCrawler",
        pytest.param("WholeSleeper", marks=SLEEPS),
    ],
)
def test_nothing_is_said_of_what_carries_nothing_over(name: str) -> None:
    verdict = judge(f"leaky_envs:{name}", {})
    assert (verdict.leaks, verdict.keeps, verdict.do) == (False, (), "")


@pytest.mark.parametrize("family", cases(FAMILIES))
def test_the_libraries_own_environments_keep_nothing(family: Family) -> None:
    assert Stage(Cast(family.env, family.config, longest=50)).kept() == []


@needs_mujoco_py
def test_what_carries_over_in_mujoco_py_is_named() -> None:
    kept = Stage(Cast("leaky_envs:warm_hopper_of_mujoco_py", longest=50)).kept()
    assert kept == ["WarmHopper.data.qacc_warmstart", "WarmHopper.data.time"]


@SLEEPS
def test_the_sleeper_sleeps() -> None:
    from leaky_envs import WholeSleeper

    env = WholeSleeper()
    env.reset(seed=1)
    awake = env.data.tree_asleep.copy()
    for _ in range(200):
        env.step(np.zeros(1))
    assert (awake < 0).all()
    assert env.data.tree_asleep[1] >= 0


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("odd_envs:Walk", 0, "depends on its policy and its seed alone"),
        ("odd_envs:Leaky", 1, "have it made anew for every episode: train with env_reuse=False"),
        ("leaky_envs:normalized_observations", 1, "leave NormalizeObservation out: obs_norm=True"),
        ("leaky_envs:Curriculum", 0, "it keeps Curriculum.level"),
        ("Nowhere-v0", 1, "Nowhere-v0"),
    ],
)
def test_the_doctor_measures_leaks(name: str, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--env", name]) == code
    assert said in "".join(capsys.readouterr())

"""An episode depends on policy, moments and seed alone, whatever its environment was used for before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from families import FAMILIES, Family, cases

from mpi_pgpe import doctor
from mpi_pgpe.leaks import measure

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _odd_envs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    sys.modules.pop("odd_envs", None)


@pytest.mark.parametrize("family", cases(FAMILIES))
def test_nothing_leaks_from_an_episode_into_the_next(family: Family) -> None:
    found = measure(family.env, family.config, episodes=3)
    assert [str(situation) for situation in found if situation.different] == []
    assert all(situation.episodes == 3 for situation in found)


def test_a_leak_is_measured() -> None:
    found = {situation.name: situation for situation in measure("odd_envs:Leaky", {}, episodes=3)}
    assert found["in another fresh environment"].different == 0
    assert found["after other episodes"].different == 3
    assert found["after other episodes"].largest == pytest.approx(0.01 * 30 * 8)  # its third is its ninth episode
    assert found["after an episode cut short"].different == 3


def test_an_environment_made_anew_does_not_leak() -> None:
    assert not any(situation.different for situation in measure("odd_envs:Leaky", {}, episodes=3, reuse=False))


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("odd_envs:Walk", 0, "depends on its policy and its seed alone"),
        ("odd_envs:Leaky", 1, "have it made anew for every episode: train with env_reuse=False"),
        ("Nowhere-v0", 1, "Nowhere-v0"),
    ],
)
def test_the_doctor_measures_leaks(name: str, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--env", name]) == code
    assert said in "".join(capsys.readouterr())

"""Episodes of PyBullet in other orders, in processes with other heaps; whole trainings on other numbers of ranks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from places import ROOT
from programs import run_program

from mpi_pgpe import envs
from mpi_pgpe.cli.numbered_episodes import Cast, Order, Stage, find_differences
from mpi_pgpe.cli.other_process import FILLED, HOLES, PLAIN, play_all

sys.path.insert(0, str(ROOT / "benchmarks"))
import alone

pytest.importorskip("pybullet")
pytestmark = [pytest.mark.slow, pytest.mark.launches]

DEFAULT = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
SMALL = """env_name=HumanoidBulletEnv-v0 re_eval_env_name=HumanoidBulletEnv-v0 popsize=20 popsize_max=60
    num_interactions=1500 niters=6 hidden_size=8 num_hidden=1 obs_norm=True save_interval=3 re_eval_interval=3
    re_eval_num_episodes=4 max_speed=0.3 decrease_rewards_by=0.0 seed=11"""


def test_thousands_of_episodes_of_the_default_task_in_any_order() -> None:
    """Random policies of five scales: most fall at once, some stumble. Without what bullet_memory.py does, 14 of
    these differ."""
    numbers = range(4000)
    interleaved = [number for first in range(7) for number in numbers[first::7]]
    plays = [
        play_all(Cast(DEFAULT), [Order("", order)], heap).plays[0]
        for order, heap in ((numbers, PLAIN), (numbers[::-1], HOLES), (interleaved, FILLED))
    ]
    assert sum(outcome.steps for outcome in plays[0].values()) > 10 * len(numbers)
    assert find_differences(plays) == []


def test_a_fresh_environment_plays_the_same_episodes() -> None:
    numbers = range(60)
    for name in (DEFAULT, "HopperBulletEnv-v0", "HumanoidFlagrunHarderBulletEnv-v0"):
        cast = Cast(name, longest=200)
        orders = [Order("fresh", numbers, fresh=True), Order("used", numbers[::-1])]
        assert find_differences(play_all(cast, orders, PLAIN).plays) == [], name


@pytest.mark.parametrize(
    ("name", "number", "before", "steps"),
    [("HumanoidBulletEnv-v0", 13, [10, 11, 12], 1000), ("HumanoidFlagrunBulletEnv-v0", 226, [227], 26)],
    ids=["walking", "flagrun"],
)
def test_an_episode_that_what_was_before_decided(
    name: str, number: int, before: list[int], steps: int, tmp_path: Path
) -> None:
    """Each comes out otherwise after these episodes without what bullet_memory.py does; the first is of an agent that
    walks (return 3520.8 instead of 3517.0)."""
    envs.make(name, {}).close()  # after which the library's examples can be imported
    stage = Stage(Cast(name, agents=tuple(map(str, alone.known_agents(name, tmp_path)))))
    fresh = stage.play(Order("fresh", [number]))
    assert fresh[number].steps == steps
    assert find_differences([fresh, stage.play(Order("after others", [number], before=before))]) == []


def test_one_digest_on_any_number_of_ranks(tmp_path: Path) -> None:
    """In generation 6 one policy of 368 falls in another step if contacts of earlier episodes are left."""
    digests = {}
    for ranks in (1, 2, 3, 5):
        run = run_program(
            "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", tmp_path / str(ranks), "with", *SMALL.split(),
            ranks=ranks, timeout=900,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        digests[ranks] = re.findall(r"state_digest=([0-9a-f]+)", run.stdout + run.stderr)[-1]
    assert len(set(digests.values())) == 1, digests

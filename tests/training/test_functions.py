"""Any function in place of an environment: what it is called with, what it may return, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import some_functions
from runs import bits

from mpi_pgpe.agents.file import AgentFileError
from mpi_pgpe.agents.solution import Solution, read_solution, write_saved
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.tasks import TaskFailed
from mpi_pgpe.parallel.world import World
from mpi_pgpe.search.pgpe import PGPE
from mpi_pgpe.training.functions import find_function, read_batch, read_single, takes_seed
from mpi_pgpe.training.problem import BadFitness
from mpi_pgpe.training.settings import BadSettings, Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

BASE = {"solution_length": 6, "seed": 4, "niters": 5, "popsize": 14, "re_eval_interval": 2, "radius": 1.5}


def search(function: str, team: Team | None = None, **settings: Any) -> tuple[Trainer, list[Any]]:
    from mpi4py import MPI

    values = BASE | {"function": f"some_functions:{function}"} | settings
    trainer = Trainer(Settings.check(values), Team(Farm(World(MPI.COMM_SELF))))
    return trainer, list(trainer)


def plain_search(function: Any, **arguments: Any) -> PGPE:
    """The same by the class alone, in float64."""
    found = PGPE(
        solution_length=6,
        popsize=14,
        optimizer_config={"max_speed": 0.1},
        stdev_init=np.sqrt(1.5**2 / 6),
        seed=4,
        dtype="float64",
        **arguments,
    )
    for _ in range(5):
        while not found.tell([function(x) for x in found.ask()], 14):
            pass
    return found


@pytest.mark.parametrize("init", [0.0, 0.5, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
@pytest.mark.parametrize("function", ["sphere", "Task.value", "overwriting"])
def test_the_search_is_that_of_the_class(function: str, init: Any) -> None:
    trainer, reports = search(function, init=init)
    oracle = plain_search(some_functions.sphere, center_init=init)
    np.testing.assert_array_equal(trainer.search.center, oracle.center)
    np.testing.assert_array_equal(trainer.search.stdev, oracle.stdev)
    assert [report.metrics["pop_timesteps"] for report in reports] == [14] * 5
    means = [r.metrics["re_eval_mean"] for r in reports if "re_eval_mean" in r.metrics]
    assert means[-1] == some_functions.sphere(trainer.search.center)
    assert len(means) == 3


@pytest.mark.parametrize("stdev", [None, 0.25])
def test_steps_and_stdev_follow_each_other(stdev: float | None) -> None:
    settings = Settings.check(BASE | {"function": "some_functions:sphere", "stdev": stdev})
    expected = 0.1 if stdev is None else 0.25 * np.sqrt(6) / 15
    assert (settings.max_speed, settings.center_lr) == pytest.approx((expected, expected / 2))
    trainer, _ = search("sphere", stdev=stdev, niters=1, stdev_lr=0.0)
    np.testing.assert_allclose(trainer.search.stdev, stdev or 1.5 / np.sqrt(6))


def test_the_best_solution_is_the_one_that_was_evaluated() -> None:
    trainer, reports = search("counted", num_interactions=150, popsize_max=None)
    best = trainer.best_solution_agent()
    assert isinstance(best, Solution)
    assert best.parameters.dtype == np.float64
    assert best.metadata["best_solution"]["fitness"] == max(report.metrics["pop_best"] for report in reports)
    assert best.metadata["best_solution"]["fitness"] == some_functions.sphere(best.parameters)
    of = {report.generation: report.metrics for report in reports}
    assert of[best.metadata["generation"]]["pop_best"] == best.metadata["best_solution"]["fitness"]
    assert [report.metrics["popsize"] for report in reports] == [28] * 5  # of 7 interactions each


def test_a_batch_is_called_in_blocks_that_divide_each_round() -> None:
    some_functions.CALLS.clear()
    options = {"popsize": 22, "num_interactions": 150, "popsize_max": None, "num_episodes": 2}
    trainer, reports = search("batch", batch=True, batch_size=8, re_eval_num_episodes=11, niters=2, **options)
    sizes = [len(x) for x, _ in some_functions.CALLS]
    assert sizes == [8, 8, 8, 8, 6, 6] * 2 * 2 + [8, 3]  # 2 episodes, 22 * 6 interactions a round: 2 rounds, 2 times
    assert [report.metrics["popsize"] for report in reports] == [44, 44]
    seeds = np.concatenate([seeds for _, seeds in some_functions.CALLS])
    assert len(np.unique(seeds)) == len(seeds) == 4 * 44 + 11
    first = some_functions.CALLS[0][0]
    np.testing.assert_allclose(first[0] + first[1], 0, atol=1e-12)  # mirrored
    single = Trainer(Settings.check(BASE | {"function": "some_functions:sphere"}), trainer.team)  # another job
    assert single.team.solutions_per_task == 2


def test_batches_and_single_calls_come_to_the_same() -> None:
    batch, _ = search("batch", batch=True, batch_size=4)
    oracle = plain_search(some_functions.sphere)
    np.testing.assert_allclose(batch.search.center, oracle.center, atol=1e-6)  # seeds add less than that


@pytest.mark.parametrize("function", ["noisy", "batch", "block_matters", "sometimes_nan"])
def test_a_resumed_search_is_the_same(function: str) -> None:
    many = {"batch": function in ("batch", "block_matters"), "batch_size": 6, "popsize": 20, "max_episode_errors": 99}
    many |= {"on_episode_error": "worst"}
    whole, _ = search(function, **many)
    half, _ = search(function, **many, niters=3)
    again = Trainer(Settings.check(BASE | {"function": f"some_functions:{function}"} | many), half.team)
    again.restore(json_like(half.state()))
    list(again)
    assert bits(again.search.state()) == bits(whole.search.state())
    assert again.digest() == whole.digest()
    assert again.best_solution is not None
    assert whole.best_solution is not None
    assert bits(again.best_solution.state()) == bits(whole.best_solution.state())


def json_like(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint brings it back."""
    import tempfile
    from pathlib import Path

    from mpi_pgpe.runs.checkpoint import pack, read

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.npz")
        path.write_bytes(pack(state))
        return read(path)


@pytest.mark.parametrize("name", sorted(some_functions.RETURNS))
def test_what_is_no_fitness_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(TaskFailed, match=r"generation 1, direction 0, sign \+, seed \d+\): expected .*got") as caught:
        search(f"returns_{name}")
    assert "\n" not in str(caught.value)
    assert f"some_functions:returns_{name}" in str(caught.value)


@pytest.mark.parametrize("name", ["short", "table", "one_nan", "complex_batch", "number"])
def test_what_is_no_batch_of_fitnesses_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(TaskFailed, match=r"generation 1, directions 0 to 6, seeds \d+.*\): expected .*got") as caught:
        search(name, batch=True)
    assert "\n" not in str(caught.value)


def test_what_is_a_fitness() -> None:
    for value in (1, 1.0, np.float32(1), np.array(1.0), np.int8(1), True):
        assert read_single(value)[:2] == (1.0, 1)
        assert read_single((value, np.int32(5)))[:2] == (1.0, 5)
    assert read_single(-np.inf).fitness == -np.inf
    assert [t[:2] for t in read_batch((1.0, 2.0), 2)] == [(1.0, 1), (2.0, 1)]
    assert [t[:2] for t in read_batch(([1.0, 2.0], [3, 4]), 2)] == [(1.0, 3), (2.0, 4)]
    assert [t[:2] for t in read_batch([1, 2, 3], 3)] == [(1.0, 1), (2.0, 1), (3.0, 1)]
    with pytest.raises(BadFitness, match=r"expected interactions of shape \(2,\)"):
        read_batch(([1.0, 2.0], [3]), 2)


@pytest.mark.parametrize(
    ("function", "failing"), [("sometimes", "RuntimeError: out of fuel"), ("sometimes_nan", "nan")]
)
def test_failures_are_told_or_rank_as_the_worst(function: str, failing: str) -> None:
    with pytest.raises(TaskFailed, match=failing):
        search(function)
    _, reports = search(function, on_episode_error="worst", max_episode_errors=14, re_eval_interval=0)
    failed = [report.metrics["pop_failed"] for report in reports]
    assert sum(failed) > 0
    assert failed == [report.metrics["pop_nonfinite"] for report in reports]
    assert all(failing in text for report in reports for text in report.failures)


def test_the_worst_fitness_may_be_said() -> None:
    trainer, reports = search("at_the_end_of_the_world")
    assert reports[0].metrics["pop_nonfinite"] == 7
    assert reports[0].metrics["pop_failed"] == 0
    assert trainer.search.center[0] > 0


def test_a_limit_of_time_and_the_end_of_the_process_are_failures() -> None:
    with pytest.raises(TaskFailed, match=r"direction 0, sign .*took longer than episode_timeout=0\.2"):
        search("for_ever", episode_timeout=0.2)
    with pytest.raises(TaskFailed, match=r"os\._exit"):
        search("leaving")


def test_which_functions_take_a_seed() -> None:
    assert takes_seed(lambda x, seed: 0)
    assert takes_seed(lambda x, anything: 0)
    assert takes_seed(lambda x, seed=None: 0)
    assert not takes_seed(lambda x: 0)
    assert not takes_seed(lambda x, scale=1.0: 0)
    assert not takes_seed(lambda *all: 0)
    assert not takes_seed(np.sum)
    assert not takes_seed(max)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"function": "nowhere_at_all:f"}, "module 'nowhere_at_all' cannot be imported"),
        ({"function": "some_functions:nothing"}, "module 'some_functions' has no 'nothing'"),
        ({"function": "some_functions:RETURNS"}, "expected a function, got dict"),
        ({"function": "__main__:f"}, "Give it to mpi_pgpe.maximize again"),
        ({"function": "sphere"}, "function: expected None or module:name, got 'sphere'"),
        ({"solution_length": None}, "solution_length: expected the number of parameters"),
        ({"init": [1.0, 2.0]}, "init: expected a number, or solution_length=6 of them, got 2"),
        ({"init": "x"}, "init: expected a finite number"),
        ({"batch_size": 5}, "batch_size: expected an even number"),
        ({"env_name": "CartPole-v1"}, "env_name: means nothing with function="),
        ({"num_hidden": 2}, "num_hidden: means nothing with function="),
        ({"obs_norm": False}, "obs_norm: means nothing with function="),
        ({"init_from": "nowhere.pickle"}, "init_from: nowhere.pickle: cannot be read"),
        ({"function": None}, "solution_length: expected function=module:name with it"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    from mpi_pgpe.cli.experiment import check_config

    config = BASE | {"function": "some_functions:sphere"} | values
    with pytest.raises(BadSettings, match=said.replace("(", r"\(")):
        check_config(config)


def test_a_search_begins_at_a_saved_solution(tmp_path: Any) -> None:
    trainer, reports = search("sphere")
    path = tmp_path / "center.pickle"
    saved = reports[-1].agent
    assert isinstance(saved, Solution)
    write_saved(path, saved)
    np.testing.assert_array_equal(read_solution(path).parameters, trainer.search.center)
    assert json.loads(json.dumps(read_solution(path).metadata["settings"]))["function"] == "some_functions:sphere"
    again, _ = search("sphere", init_from=str(path), niters=0 + 1, center_lr=1e-12, max_speed=1e-12)
    np.testing.assert_allclose(again.search.center, trainer.search.center, atol=1e-11)
    with pytest.raises(BadSettings, match="expected solution_length=7 parameters, got 6"):
        search("sphere", init_from=str(path), solution_length=7)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(AgentFileError, match="expected a saved solution"):
        read_solution(path)


def test_names_of_functions() -> None:
    assert find_function("some_functions:Task.value")(np.ones(2)) == 0

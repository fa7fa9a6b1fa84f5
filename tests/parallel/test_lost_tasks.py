"""Rounds whose results are lost with the rank that kept them, and messages of failed episodes."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result


def result(task: int) -> Result:
    return Result((task, -task), (1 + task % 3, 2))


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32))
def test_losses_at_any_moment_do_not_change_the_results(size: int, target: int, ranks: int, seed: int) -> None:
    rng = random.Random(seed)

    def rounds() -> Rounds:
        return Rounds(size, 5, target)

    expected = rounds()
    while not expected.complete:
        task = expected.next()
        assert task is not None
        expected.record(task, result(task))

    tasks, alive, held = rounds(), list(range(ranks)), []
    while not tasks.complete:
        action = rng.choice(["hand out", "hand out", "finish", "finish", "lose"])
        if action == "lose" and len(alive) > 1:
            alive.remove(rng.choice(alive[1:]))
            tasks.lose(alive)
            held = []
        elif action == "finish" and held:
            owner, task = held.pop(rng.randrange(len(held)))
            tasks.record(task, result(task), owner)
        else:
            task = tasks.next()
            if task is None and not held:
                raise AssertionError("nothing to do, but not complete")
            if task is not None:
                held.append((rng.choice(alive), task))
    assert tasks.rounds == expected.rounds
    assert tasks.results().tobytes() == expected.results().tobytes()
    assert set(tasks.owners[: tasks.rounds * size]) <= set(alive)


def test_without_what_ranks_keep_their_results_stand() -> None:
    tasks = Rounds(3)
    for task in range(3):
        assert tasks.next() == task
    tasks.record(1, result(1), owner=7)
    tasks.lose()
    assert [tasks.next(), tasks.next(), tasks.next()] == [0, 2, None]


def test_failed_episodes_count_in_rounds_that_belong() -> None:
    tasks = Rounds(2, 3, num_interactions=10)
    tasks.remarks = {0: ["a", "b"], 1: ["c"], 2: ["d"], 4: ["e"]}
    assert tasks.failed_episodes() == ["a", "b", "c"]  # whether the second round is needed is not known
    for task in (0, 1):
        tasks.record(task, Result((0, 0), (2, 2)))
    assert tasks.failed_episodes() == ["a", "b", "c", "d"]
    for task in (2, 3):
        tasks.record(task, Result((0, 0), (2, 2)))
    assert tasks.complete
    assert tasks.failed_episodes() == ["a", "b", "c", "d"]

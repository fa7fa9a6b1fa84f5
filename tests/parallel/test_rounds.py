"""Which tasks belong to a generation does not depend on the order in which their results come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_pgpe.parallel.load import RecentMean, Usage, should_hold_two
from mpi_pgpe.parallel.messages import done_layout
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result, result_type


def results_of(steps: list[int]) -> list[Result]:
    """Made-up results of tasks 0, 1, ...: fitnesses that tell the task, and its interactions in two parts."""
    return [Result((10.0 * task + 1, 10.0 * task + 2), (n // 3, n - n // 3)) for task, n in enumerate(steps)]


def rounds_by_hand(size: int, steps: list[int], max_rounds: int, target: int | None) -> int:
    """One round after another until there are enough interactions."""
    made, rounds = 0, 0
    while True:
        made += sum(steps[rounds * size : (rounds + 1) * size])
        rounds += 1
        if target is None or made >= target or rounds >= max_rounds:
            return rounds


def play(tasks: Rounds, results: list[Result], workers: int, rng: np.random.Generator) -> int:
    """Hand tasks out to workers that finish in a random order; returns how many were started."""
    held, recorded, started = [], [], 0
    while not tasks.complete:
        while len(held) < workers and (task := tasks.next()) is not None:
            assert task == started  # in order, each once
            held.append(task)
            started += 1
        assert held, "tasks are missing and none can be handed out"
        task = held.pop(rng.integers(len(held)))
        tasks.record(task, results[task])
        recorded.append(task)
        if rng.random() < 0.2:  # a result that comes a second time, with other numbers
            tasks.record(int(rng.choice(recorded)), Result((0.0, 0.0), (10**6, 10**6)))
    before = tasks.results().copy()
    for task in held:  # the late results of what was abandoned
        tasks.record(task, results[task])
    np.testing.assert_array_equal(tasks.results(), before)
    return started


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(
    size=st.integers(1, 5),
    max_rounds=st.integers(1, 6),
    target=st.none() | st.integers(1, 200),
    workers=st.integers(1, 12),
    data=st.data(),
    seed=st.integers(0, 2**32),
)
def test_the_generation_equals_one_round_after_another(size, max_rounds, target, workers, data, seed):
    n = size * max_rounds
    steps = data.draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    expected = rounds_by_hand(size, steps, max_rounds, target)
    tasks = Rounds(size, max_rounds, target)
    started = play(tasks, results_of(steps), workers, np.random.default_rng(seed))
    assert tasks.rounds == expected
    np.testing.assert_array_equal(tasks.results(), np.array(results_of(steps)[: expected * size], result_type(2)))
    assert tasks.done == expected * size
    assert tasks.next() is None
    assert started <= n


def test_tasks_of_following_rounds_are_handed_out_early_and_dropped_if_not_needed():
    tasks = Rounds(2, max_rounds=10, num_interactions=20)
    assert [tasks.next() for _ in range(6)] == list(range(6))
    results = results_of([10] * 6)
    for task in (5, 3, 4):  # later rounds first: 30 interactions, but rounds 0 and 1 are still needed
        tasks.record(task, results[task])
    assert not tasks.complete
    tasks.record(0, results[0])
    assert not tasks.complete
    tasks.record(1, results[1])  # now round 0 alone suffices
    assert tasks.complete
    assert tasks.rounds == 1
    np.testing.assert_array_equal(tasks.results(), np.array(results[:2], result_type(2)))


def test_without_a_target_there_is_one_round():
    tasks = Rounds(3, max_rounds=10)
    assert [tasks.next() for _ in range(4)] == [0, 1, 2, None]
    assert tasks.available == 0


def test_nothing_more_is_handed_out_than_the_generation_can_need():
    tasks = Rounds(2, max_rounds=5, num_interactions=100)
    assert tasks.available == 10
    tasks.next()
    tasks.next()
    tasks.record(0, results_of([60, 60])[0])
    assert tasks.available == 8
    tasks.record(1, results_of([60, 60])[1])
    assert tasks.available == 0
    assert tasks.next() is None


def test_results_are_refused_before_they_are_complete():
    tasks = Rounds(2)
    tasks.record(0, Result((0.0, 0.0), (0, 0)))
    with pytest.raises(RuntimeError, match="before they are complete"):
        tasks.results()


def test_each_new_result_is_reported_once():
    seen = []
    tasks = Rounds(2, on_record=lambda rounds: seen.append(rounds.done))
    for task in (1, 1, 0, 0):
        tasks.record(task, Result((0.0, 0.0), (0, 0)))
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("left", "task", "answer", "two"),
    [
        (100, 1e-4, 1e-3, True),  # a pole that falls: the answer takes longer than the task
        (1, 1e-4, 1e-3, False),  # but not the last one, which another rank could begin at once
        (30, 0.02, 1e-3, True),
        (15, 0.02, 1e-3, False),  # waiting 15 times costs less than one task too late
        (15, 0.2, 1e-3, False),
        (15, 0.2, 0.1, True),  # rank 0 is in a slow step most of the time
        (1000, np.nan, np.nan, False),  # nothing is known yet
    ],
)
def test_rank_holds_a_second_task_where_waiting_costs_more_than_order(left, task, answer, two):
    assert should_hold_two(left, task, answer) is two


def test_recent_mean_forgets():
    mean = RecentMean()
    assert np.isnan(mean.value)
    for value in (1.0, 2.0, 6.0):
        mean.add(value)
    assert mean.value == 3.0
    for _ in range(2000):
        mean.add(100.0)
    assert mean.value == pytest.approx(100.0, abs=1e-3)


def test_shares_of_the_time():
    usage = Usage(total=10.0, idle=2.0, seconds={0: 3.0, 1: 2.5, 4: 1.5})
    assert usage.idle_fraction() == pytest.approx(0.2)
    assert usage.dropped_fraction(2) == pytest.approx(0.25)  # all of task 4, and 1.0 in tasks that were broken off
    assert usage.dropped_fraction(5) == pytest.approx(0.1)


def test_rank_0_unpacks_what_the_others_send() -> None:
    sent = done_layout(2).pack(7, 2**40, 0.25, 1.5, np.float64(-1.5), np.inf, np.int64(3), 2**33)
    assert len(sent) == 64
    assert done_layout(2).unpack(sent) == (7, 2**40, 0.25, 1.5, -1.5, np.inf, 3, 2**33)
    assert done_layout(6).size == 4 * 8 + 6 * 16


@pytest.mark.parametrize("evaluations", [2, 6])
def test_a_result_may_have_several_evaluations(evaluations: int) -> None:
    rounds = Rounds(3, max_rounds=5, num_interactions=7 * evaluations, evaluations=evaluations)
    while not rounds.complete:
        task = rounds.next()
        assert task is not None
        rounds.record(task, Result(tuple(task + i / 8 for i in range(evaluations)), (1,) * evaluations))
    assert rounds.rounds == 3  # 3 * evaluations interactions each
    expected = np.arange(9)[:, None] + np.arange(evaluations) / 8
    np.testing.assert_array_equal(rounds.results()["fitness"], expected)
    assert (rounds.results()["interactions"] == 1).all()

"""When the record is delivered: as a function of what the last attempt took."""

from __future__ import annotations

import pytest

from mpi_pgpe.runs.mongo.delivery import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_REST, SHARE, SHARE_OF_SERVER, rest


def test_a_delivery_that_cost_nothing_may_be_followed_by_the_next():
    assert rest(0, 0) == 0


@pytest.mark.parametrize("processor", [0.001, 0.05, 0.2])
def test_delivering_takes_its_share_of_the_processor_and_no_more(processor):
    wall = 2 * processor
    for failures in (0, 1, 5):
        pause = rest(processor, wall, failures)
        assert processor / (wall + pause) <= SHARE
    assert rest(processor, wall) == processor / SHARE


@pytest.mark.parametrize("wall", [0.5, 10, 60])
def test_a_slow_server_is_left_in_peace(wall):
    assert wall / (wall + rest(0.001, wall)) == pytest.approx(SHARE_OF_SERVER)
    # what failed may have waited for an answer that never came, and that is no work of the server
    assert rest(0.001, wall, failures=1) == FIRST_PAUSE


def test_after_failures_the_next_attempt_comes_later_and_later():
    pauses = [rest(0.001, 2.5, failures) for failures in range(1, 10)]
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE == rest(0.001, 2.5, 10**6)


def test_no_rest_is_longer_than_five_minutes():
    assert LONGEST_REST == 300
    for cost in [(10, 10, 0), (0.001, 1000, 0), (10, 10, 1), (10, 1000, 10**6)]:
        assert rest(*cost) == LONGEST_REST

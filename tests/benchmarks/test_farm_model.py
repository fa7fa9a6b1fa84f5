"""The model of many ranks (benchmarks/farm_model.py) is list scheduling but for its costs; rank 0 sets the limit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import farm_model

from mpi_pgpe.parallel.rounds import Rounds

pytestmark = pytest.mark.serial
SECONDS = np.random.default_rng(0).uniform(0.5, 1.5, 600)


def test_without_costs_it_is_ideal_list_scheduling(monkeypatch):
    monkeypatch.setattr(farm_model, "_LONGEST_NAP", 0.0)
    for size in (2, 7, 600):
        assert farm_model.hand_out(SECONDS, size, 0.0) == farm_model.ranks.ideal(SECONDS, size, Rounds(len(SECONDS)))


def test_rank_0_sets_the_limit():
    message = 0.02  # so that 50 ranks with directions of a second fill its time
    ideals = {size: farm_model.ranks.ideal(SECONDS, size, Rounds(len(SECONDS))) for size in (5, 300)}
    assert farm_model.hand_out(SECONDS, 5, message) < 1.1 * ideals[5]
    messages = len(SECONDS) + 2 * 300  # each rank gets a first direction, and is told when it is over
    assert farm_model.hand_out(SECONDS, 300, message) >= 0.999 * messages * message > 8 * ideals[300]


def test_all_costs_count():
    costs = farm_model.Costs(message=0.0, sums=1.0, direction=10.0, generation=1e5, doubling=1e6)
    seconds = farm_model.generation(SECONDS, 8, costs)
    assert seconds - farm_model.hand_out(SECONDS, 8, 0.0) == pytest.approx(3e6 + 1e5 + 600 * (10 + 1 / 8))

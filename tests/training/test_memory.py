"""No rank holds an array of population x parameters, neither while it evaluates nor in the update."""

from __future__ import annotations

import tracemalloc

from runs import train

VALUES = {"env_name": "CartPole-v1", "max_episode_length": 1, "niters": 1, "hidden_size": 500, "num_hidden": 1}


def test_memory_is_far_below_population_times_parameters():
    popsize, parameters = 1200, 7 * 500 + 2
    train(VALUES | {"popsize": 4})  # what is imported and made once does not count
    tracemalloc.start()
    try:
        train(VALUES | {"popsize": popsize})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < popsize * parameters  # one byte for each element; a rank's half of them in float32 would take two

"""What PGPE refuses, each time saying what was expected and what came."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import PGPE

pytestmark = pytest.mark.serial


def make(**changes) -> PGPE:
    settings = {"solution_length": 6, "popsize": 20, "optimizer_config": {"max_speed": 0.3}, "seed": 3}
    return PGPE(**settings | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solution_length": 0}, "solution_length: expected a whole number of at least 1, got 0"),
        ({"solution_length": 2.5}, "solution_length: expected a whole number of at least 1, got 2.5"),
        ({"popsize": 7}, "popsize: expected an even number.*got 7; use 6 or 8"),
        ({"popsize": 0}, "popsize: expected a whole number of at least 2, got 0"),
        ({"popsize": -4}, "popsize: expected a whole number of at least 2, got -4"),
        ({"popsize": True}, "popsize: expected a whole number of at least 2, got True"),
        ({"popsize": "20"}, "popsize: expected a whole number of at least 2, got '20'"),
        ({"popsize": 2**20 + 2}, "popsize: expected at most 1048576, got 1048578"),
        ({"popsize_max": 18}, r"popsize_max: expected at least popsize \(20\), got 18"),
        ({"popsize_max": 0.5}, "popsize_max: expected a whole number"),
        ({"num_interactions": 0}, "num_interactions: expected a whole number of at least 1, got 0"),
        ({"num_interactions": float("inf")}, "num_interactions: expected a whole number"),
        ({"center_learning_rate": 0}, "center_learning_rate: expected a positive number, got 0"),
        ({"center_learning_rate": -0.1}, "center_learning_rate: expected a positive number, got -0.1"),
        ({"stdev_learning_rate": -0.1}, "stdev_learning_rate: expected zero or a positive number, got -0.1"),
        ({"stdev_learning_rate": float("nan")}, "stdev_learning_rate: expected zero or a positive number, got nan"),
        ({"stdev_max_change": 1}, "stdev_max_change: expected a number from 0 up to"),
        ({"stdev_init": 0.0}, "stdev_init: expected positive numbers only"),
        ({"stdev_init": [1.0] * 5 + [-1.0]}, "stdev_init: expected positive numbers only"),
        ({"stdev_init": np.inf}, "stdev_init: expected finite numbers"),
        ({"stdev_init": [1.0, 2.0]}, r"stdev_init: expected a number or an array of shape \(6,\), got shape \(2,\)"),
        ({"center_init": np.zeros((2, 6))}, r"center_init: expected a number or .* got shape \(2, 6\)"),
        ({"center_init": np.nan}, "center_init: expected finite numbers"),
        ({"center_init": "zero"}, "center_init: expected a number or an array"),
        ({"solution_ranking": 1}, "solution_ranking: expected True or False, got 1"),
        ({"tie_breaking": "random"}, "tie_breaking: expected one of average, order, got 'random'"),
        ({"tie_breaking": None}, "tie_breaking: expected one of average, order, got None"),
        ({"popsize_max": -2}, "popsize_max: expected a whole number of at least 2, got -2"),
        ({"symmetric": False, "popsize": 1}, "popsize: expected a whole number of at least 2, got 1"),
        ({"symmetric": False, "popsize": 2**19 + 1}, "popsize: expected at most 524288, got 524289"),
        ({"symmetric": None}, "symmetric: expected True or False, got None"),
        ({"dtype": "float16"}, "dtype: expected float32 or float64, got 'float16'"),
        ({"dtype": int}, "dtype: expected float32 or float64, got <class 'int'>"),
        ({"dtype": None}, "dtype: expected float32 or float64, got None"),
        ({"dtype": "double trouble"}, "dtype: expected float32 or float64, got 'double trouble'"),
        ({"stdev_min": 0.2}, "stdev_min: expected at most the first stdev, got 0.2 above it"),
        ({"stdev_min": -0.1}, "stdev_min: expected zero or positive numbers, got -0.1"),
        ({"stdev_min": np.zeros(5)}, r"stdev_min: expected a number or an array of shape \(6,\), got shape \(5,\)"),
        ({"stdev_max": 0.05}, "stdev_max: expected at least the first stdev, got 0.05 below it"),
        ({"stdev_max": np.nan}, "stdev_max: expected finite numbers"),
        ({"stdev_max_change": -0.1}, "stdev_max_change: expected a number from 0 up to"),
        ({"stdev_max_change": [0.1] * 5 + [1.0]}, "stdev_max_change: expected numbers from 0 up to"),
        ({"stdev_max_change": "a fifth"}, "stdev_max_change: expected a number from 0 up to"),
        ({"optimizer": None}, "optimizer_config: .*max_speed"),
        ({"seed": -1}, "seed: expected a whole number of at least 0, got -1"),
        pytest.param({"seed": 10**400}, "seed: expected a whole number of at least 0, got 1000", id="huge seed"),
        ({"optimizer": "cma"}, "optimizer: expected one of clipup, adam, sgd, got 'cma'"),
        ({"optimizer_config": {"max_sped": 0.3}}, "optimizer_config: .*max_sped"),
        ({"optimizer_config": {"max_speed": 0}}, "max_speed: expected a positive number, got 0"),
        ({"optimizer": "adam"}, "optimizer_config: .*max_speed"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_a_generator_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"fitnesses: expected shape \(20,\), got \(19,\)"):
        make().tell(float(i) for i in range(19))


@pytest.mark.parametrize("shape", [(19,), (20, 1), (), (2, 20)])
def test_fitnesses_of_another_shape_are_refused_and_change_nothing(shape):
    search = make()
    with pytest.raises(ValueError, match=r"fitnesses: expected shape \(20,\), got"):
        search.tell(np.zeros(shape))
    untouched = make()
    for each in (search, untouched):
        each.tell(np.arange(20))
    np.testing.assert_array_equal(search.center, untouched.center)


def test_missing_interactions_are_refused():
    with pytest.raises(ValueError, match="interactions: expected the number of steps"):
        make(num_interactions=5).tell(np.zeros(20))

"""Settings refuse what cannot be; the named configurations are those of the table in the design."""

from __future__ import annotations

import math

import pytest

from mpi_pgpe.training.settings import BadSettings, Settings

GOOD = {"env_name": "Some-v0", "seed": 1}
NAN, INF = math.nan, math.inf

WHOLE = ["niters", "hidden_size", "num_episodes", "save_interval", "re_eval_interval", "re_eval_num_episodes"]
WHOLE_OR_NONE = ["popsize_max", "num_interactions", "max_episode_length"]
POSITIVE = ["max_speed", "stdev_lr"]
POSITIVE_OR_NONE = ["center_lr", "radius"]


def refused(**changes) -> str:
    with pytest.raises(BadSettings) as caught:
        Settings.check(GOOD | changes)
    return str(caught.value)


@pytest.mark.parametrize("name", WHOLE + WHOLE_OR_NONE)
@pytest.mark.parametrize("value", [0, -1, 1.5, NAN, INF, "ten", True, [1], 10**400], ids=lambda v: str(v)[:9])
def test_counts_are_whole_and_positive(name, value):
    expected = "expected None or a whole" if name in WHOLE_OR_NONE else "expected a whole"
    assert refused(**{name: value}) == f"{name}: {expected} number of at least 1, got {value!r}"


@pytest.mark.parametrize("name", ["seed", "num_hidden"])
@pytest.mark.parametrize("value", [-1, 0.5, None, "0"])
def test_the_seed_and_num_hidden_may_be_zero(name, value):
    numbers = "from 0 to 4294967295" if name == "seed" else "of at least 0"
    assert refused(**{name: value}) == f"{name}: expected a whole number {numbers}, got {value!r}"
    assert getattr(Settings.check(GOOD | {name: 0}), name) == 0


@pytest.mark.parametrize("name", POSITIVE + POSITIVE_OR_NONE)
@pytest.mark.parametrize("value", [0, -0.1, NAN, INF, "0.1", False])
def test_rates_are_positive(name, value):
    expected = "expected None or a positive" if name in POSITIVE_OR_NONE else "expected a positive"
    assert refused(**{name: value}) == f"{name}: {expected} number, got {value!r}"


@pytest.mark.parametrize("name", [*WHOLE, *POSITIVE, "popsize", "env_name", "obs_norm", "optimizer"])
def test_none_is_refused_where_a_value_is_needed(name):
    assert refused(**{name: None}).startswith(f"{name}: expected ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_name": ""}, "env_name: expected the name of an environment, got ''"),
        ({"env_name": 3}, "env_name: expected the name of an environment, got 3"),
        ({"re_eval_env_name": " "}, "re_eval_env_name: expected None or the name of an environment, got ' '"),
        ({"env_config": [1]}, "env_config: expected keyword arguments"),
        ({"env_config": {1: 2}}, "env_config: expected keyword arguments"),
        ({"env_config": {"a": object}}, "env_config: expected numbers, text, lists and dictionaries"),
        ({"re_eval_env_config": "x"}, "re_eval_env_config: expected None or keyword arguments"),
        ({"obs_norm": 1}, "obs_norm: expected True or False, got 1"),
        ({"common_random_numbers": "yes"}, "common_random_numbers: expected True or False, got 'yes'"),
        ({"solution_ranking": 0}, "solution_ranking: expected True or False, got 0"),
        ({"popsize": 5}, "popsize: expected an even number"),
        ({"popsize": 0}, "popsize: expected a whole number of at least 2, got 0"),
        ({"popsize": 20, "popsize_max": 18}, "popsize_max: expected at least popsize (20), got 18"),
        ({"decrease_rewards_by": NAN}, "decrease_rewards_by: expected a finite number, got nan"),
        ({"target_return": INF}, "target_return: expected None or a finite number, got inf"),
        ({"optimizer": "cma"}, "optimizer: expected one of clipup, adam, sgd, got 'cma'"),
        ({"notes": 3}, "notes: expected None or text, got 3"),
        ({"popsise": 4, "nitters": 5}, "unknown settings: nitters, popsise"),
    ],
    ids=str,
)
def test_other_refusals(changes, message):
    assert refused(**changes).startswith(message)


def test_values_take_the_types_that_they_must_have():
    settings = Settings.check(GOOD | {"niters": 3.0, "popsize": 4.0, "max_speed": 1, "hidden_size": 7, "num_hidden": 2})
    assert type(settings.niters) is type(settings.popsize) is int
    assert type(settings.max_speed) is float
    assert settings.hidden == (7, 7)


def test_the_search_is_made_as_the_settings_say():
    settings = Settings.check(GOOD | {"radius": 3.0, "max_speed": 0.4, "center_lr": 0.1, "popsize": 10})
    search = settings.make_search(9)
    assert search.stdev.tolist() == [1.0] * 9  # radius / sqrt(parameters)
    assert search.center.tolist() == [0.0] * 9
    assert (search.optimizer.stepsize, search.optimizer.max_speed, search.popsize) == (0.1, 0.4, 10)
    follows = Settings.check(GOOD | {"max_speed": 0.4}).make_search(9)
    assert follows.optimizer.stepsize == 0.2
    assert follows.stdev[0] == pytest.approx(0.4 * 15 / 3)


def test_re_evaluation_follows_training_unless_set():
    config = {"a": 1}
    assert Settings.check(GOOD | {"env_config": config}).re_evaluation == ("Some-v0", config)
    other = GOOD | {"env_config": config, "re_eval_env_name": "Other-v0"}
    assert Settings.check(other).re_evaluation == ("Other-v0", {})
    assert Settings.check(other | {"re_eval_env_config": {"b": 2}}).re_evaluation == ("Other-v0", {"b": 2})

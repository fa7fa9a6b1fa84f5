"""Settings refuse what cannot be, and all that is said of a setting is said in one table."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest

from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.training.initial_search import make_search
from mpi_pgpe.training.job import Job
from mpi_pgpe.training.setting import ALWAYS_THERE, GROUPS, Follows
from mpi_pgpe.training.settings import TABLE, BadSettings, RankSettings, Settings

GOOD = {"env_name": "Some-v0", "popsize": 10000, "seed": 1}
NAN, INF = math.nan, math.inf

WHOLE = ["niters", "num_episodes", "save_interval", "re_eval_num_episodes"]
WHOLE_OR_NONE = ["popsize_max", "num_interactions", "max_episode_length"]
OFF = {"popsize_max": -1, "num_interactions": -1, "max_episode_length": -1, "re_eval_env_name": ""}
ZERO = ["re_eval_interval", "max_episode_errors"]
POSITIVE = ["max_speed"]
POSITIVE_OR_NONE = ["center_lr", "radius"]


def refused(**changes) -> str:
    with pytest.raises(BadSettings) as caught:
        Settings.check(GOOD | changes)
    return str(caught.value)


@pytest.mark.parametrize("name", WHOLE + WHOLE_OR_NONE)
@pytest.mark.parametrize("value", [0, -1, 1.5, NAN, INF, "ten", True, [1], 10**400], ids=lambda v: str(v)[:9])
def test_counts_are_whole_and_positive(name, value):
    if name in OFF and type(value) is int and value == OFF[name]:
        return
    expected = "expected None or a whole" if name in WHOLE_OR_NONE else "expected a whole"
    assert refused(**{name: value}) == f"{name}: {expected} number of at least 1, got {value!r}"


@pytest.mark.parametrize(("name", "value"), OFF.items())
def test_what_pgpelib_calls_none_is_none(name, value):
    assert getattr(Settings.check(GOOD | {name: value}), name) is None


@pytest.mark.parametrize(
    "value",
    ["FlattenObservation", {"a": 1}, 5, None, [5], [""], [{"a": 1}], ["A", {"a": 1}, {"b": 1}], ["A", ["B", {}]]],
    ids=str,
)
def test_wrappers_are_a_flat_list_of_names_and_arguments(value):
    form = "expected a flat list of names in quotes, each followed by a dictionary of its arguments if it has some, "
    assert refused(wrappers=value).startswith(f"wrappers: {form}")


def test_arguments_of_wrappers_arrive_as_they_are_written():
    good = ["A", "m:B", {"stack_size": 4, "shape": [2, 2]}, "C"]
    assert Settings.check(GOOD | {"wrappers": tuple(good)}).wrappers == good
    assert "keys without a dot" in refused(wrappers=["A", {"a.b": 1}])
    assert "expected numbers, text, lists and dictionaries" in refused(wrappers=["A", {"dtype": object()}])


def test_layers_without_units_are_none():
    assert Settings.check(GOOD | {"hidden_size": 0, "num_hidden": 2}).widths == ()


@pytest.mark.parametrize("name", ["num_hidden", "hidden_size"])
@pytest.mark.parametrize("value", [-1, 0.5, "0"])
def test_layers_are_whole_numbers(name, value):
    assert refused(**{name: value}) == f"{name}: expected None or a whole number of at least 0, got {value!r}"
    assert refused(**{name: None}).startswith(f"{name}: expected a whole number of at least 0 where hidden is None")


@pytest.mark.parametrize(
    ("hidden", "widths"), [((64, 32), (64, 32)), ([5], (5,)), (7, (7,)), ([], ()), ((), ()), (None, (64,))], ids=str
)
def test_widths_of_hidden_layers(hidden, widths):
    settings = Settings.check(GOOD | {"hidden": hidden})
    assert settings.widths == widths
    assert settings.shape(3, 2).hidden == Job(**json.loads(json.dumps(asdict(Job.from_settings(settings))))).widths


@pytest.mark.parametrize(
    "others", [{"num_hidden": 2}, {"num_hidden": 2, "hidden_size": 8}, {"hidden_size": 8}], ids=str
)
def test_widths_beside_settings_that_say_the_same(others):
    assert Settings.check(GOOD | {"hidden": [8, 8]} | others).widths == (8, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": [8, 8], "num_hidden": 3}, "agree with num_hidden=3, got [8, 8]; set one alone"),
        ({"hidden": [8, 4], "hidden_size": 8}, "agree with hidden_size=8, got [8, 4]; set one alone"),
        ({"hidden": [8], "hidden_size": 8, "num_hidden": 0}, "agree with hidden_size=8 num_hidden=0, got [8]"),
        (
            {"hidden": [8, 0]},
            "hidden: expected None or widths of at least 1, such as [64,32], or [] for none, got [8, 0]",
        ),
        ({"hidden": [8, -3]}, "hidden: expected None or widths of at least 1, such as [64,32], or [] for none, got ["),
        ({"hidden": [[8], [8]]}, "hidden: expected"),
        ({"hidden": "64,32"}, "hidden: expected"),
        ({"hidden": [8.5]}, "hidden: expected"),
        ({"hidden": [2**16 + 1]}, "hidden: expected at most 65536 units in a layer"),
        ({"hidden": [1] * 101}, "hidden: expected None or at most 100 hidden layers, got 101"),
        ({"activation": "swish"}, "activation: expected one of tanh, relu, elu, gelu, sigmoid, sin, got 'swish'"),
        ({"activation": "identity"}, "activation: expected one of tanh"),
        ({"output_activation": None}, "output_activation: expected one of tanh"),
        ({"bias": 0}, "bias: expected True or False, got 0"),
        ({"policy": "transformer"}, "policy: expected mlp, rnn, gru, lstm, or module:Class of your own, got 'transfor"),
        ({"policy": None}, "policy: expected mlp, rnn, gru, lstm, or module:Class of your own, got None"),
        ({"policy": ":Net"}, "policy: expected mlp, rnn, gru, lstm, or module:Class of your own, got ':Net'"),
        ({"policy": "nets:Net", "hidden": [8]}, "hidden: means nothing with policy=nets:Net, which says itself what"),
        ({"policy": "nets:Net", "num_hidden": 0}, "num_hidden: means nothing with policy=nets:Net"),
        ({"policy": "nets:Net", "bias": False}, "bias: means nothing with policy=nets:Net"),
        ({"policy": "nets:Net", "activation": "elu"}, "activation: means nothing with policy=nets:Net"),
        ({"policy": "gru", "num_hidden": 0}, "policy: expected a hidden layer that can be of the kind gru, got a lin"),
        ({"policy": "gru", "activation": "relu"}, "activation: expected tanh with policy=gru, got 'relu'"),
        ({"policy": "rnn", "activation": "elu"}, "activation: expected tanh or relu with policy=rnn, got 'elu'"),
        ({"activation": "relu", "num_hidden": 0}, "activation: expected a hidden layer that relu can follow, got a li"),
    ],
    ids=str,
)
def test_networks_that_cannot_be(changes, message):
    assert message.replace("hidden: expected at", "hidden: expected None or at") in refused(**changes)


def test_a_network_of_the_settings():
    changes = {"hidden": [4, 3], "activation": "elu", "output_activation": "tanh", "bias": False}
    assert Settings.check(GOOD | changes).shape(5, 2) == PolicyShape(5, 2, (4, 3), "elu", "tanh", False)
    assert Settings.check(GOOD).shape(5, 2) == PolicyShape(5, 2, (64,))
    own = Settings.check(GOOD | {"policy": "nets:Net"})
    assert (own.own, own.widths, own.hidden_size, own.num_hidden) == ("nets:Net", (), None, None)
    assert Settings.check(GOOD | {"policy": "gru"}).shape(5, 2) == PolicyShape(5, 2, (64,), cell="gru")


def test_a_stdev_that_is_kept():
    assert Settings.check(GOOD | {"stdev_lr": 0}).stdev_lr == 0
    assert refused(stdev_lr=-0.1) == "stdev_lr: expected zero or a positive number, got -0.1"


@pytest.mark.parametrize("name", ["seed", *ZERO])
@pytest.mark.parametrize("value", [-1, 0.5, None, "0"])
def test_what_may_be_zero(name, value):
    numbers = "from 0 to 4294967295" if name == "seed" else "of at least 0"
    assert refused(**{name: value}) == f"{name}: expected a whole number {numbers}, got {value!r}"
    assert getattr(Settings.check(GOOD | {name: 0}), name) == 0


@pytest.mark.parametrize("name", POSITIVE + POSITIVE_OR_NONE)
@pytest.mark.parametrize("value", [0, -0.1, NAN, INF, "0.1", False])
def test_rates_are_positive(name, value):
    expected = "expected None or a positive" if name in POSITIVE_OR_NONE else "expected a positive"
    assert refused(**{name: value}) == f"{name}: {expected} number, got {value!r}"


@pytest.mark.parametrize("name", [*WHOLE, *POSITIVE, "env_name", "obs_norm", "optimizer"])
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
        ({"optimizer": {"adam"}}, "optimizer: expected one of clipup, adam, sgd, got {'adam'}"),
        ({"on_episode_error": b"fail"}, "on_episode_error: expected fail or worst, got b'fail'"),
        ({"popsize": {8}}, "popsize: expected a whole number of at least 2, got {8}"),
        ({"max_walltime": "11h"}, "max_walltime: expected None or a time such as 11:30:00"),
        ({"max_walltime": "0:00"}, "max_walltime: expected None or a time such as 11:30:00"),
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
    assert settings.widths == (7, 7)


def test_the_search_is_made_as_the_settings_say():
    settings = Settings.check(GOOD | {"radius": 3.0, "max_speed": 0.4, "center_lr": 0.1, "popsize": 10})
    search = make_search(settings, 9)
    assert search.stdev.tolist() == [1.0] * 9  # radius / sqrt(parameters)
    assert search.center.tolist() == [0.0] * 9
    assert (search.optimizer.stepsize, search.optimizer.max_speed, search.popsize) == (0.1, 0.4, 10)
    follows = make_search(Settings.check(GOOD | {"max_speed": 0.4}), 9)
    assert follows.optimizer.stepsize == 0.2
    assert follows.stdev[0] == pytest.approx(0.4 * 15 / 3)


def test_re_evaluation_follows_training_unless_set():
    config = {"a": 1}
    assert Settings.check(GOOD | {"env_config": config}).re_evaluation == ("Some-v0", config)
    other = GOOD | {"env_config": config, "re_eval_env_name": "Other-v0"}
    assert Settings.check(other).re_evaluation == ("Other-v0", {})
    assert Settings.check(other | {"re_eval_env_config": {"b": 2}}).re_evaluation == ("Other-v0", {"b": 2})


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("11:30:00", 41_400),
        ("1-02:03:04", 93_784),
        ("90", 5400),
        (90, 5400),
        ("90:30", 5430),
        ("100:00:00", 360_000),
        ("2-12", 216_000),
        ("2-12:30", 217_800),
        (0, None),
        ("UNLIMITED", None),
        ("INFINITE", None),
    ],
)
def test_times_in_the_forms_of_slurm(time, seconds):
    assert Settings.check(GOOD | {"max_walltime": time}).max_walltime_seconds == seconds


# -- the table ------------------------------------------------------------------------------------------


def test_every_row_is_whole():
    assert [*TABLE] == sorted(TABLE, key=lambda name: [*GROUPS].index(TABLE[name].group))
    names = [*TABLE, *(alias for each in TABLE.values() for alias in each.aliases)]
    assert len(names) == len(set(names)), "one name for two settings"
    for each in TABLE.values():
        assert each.comment, each.name
        assert each.resume in ("same", "may change", "not of the run")


def test_every_default_passes_its_own_check_and_stays_as_it_is():
    complete = Settings.check({"seed": 1})
    for name, each in TABLE.items():
        value = getattr(complete, name)
        assert each.check(name, value) == value
        assert isinstance(each.default, Follows) or name == "seed" or value == each.default


def test_defaults_follow_what_is_set():
    settings = Settings.check({"seed": 1, "max_speed": 0.2, "popsize": 100})
    assert (settings.center_lr, settings.radius, settings.num_interactions) == (0.1, pytest.approx(3.0), 15_000)
    assert Settings.check({"seed": 1, "max_speed": 0.2, "radius": None}).radius is None


def test_the_ranks_get_the_settings_of_ranks_and_no_other():
    settings = Settings.check({"seed": 1, "env_config": {"a": 1}, "num_episodes": 3})
    job = Job.from_settings(settings, profile=True)
    told = vars(job).copy()
    assert told.pop("profile") is True
    assert (told.pop("directions"), told.pop("re_evaluations")) == (
        settings.popsize // 2,
        settings.re_eval_num_episodes,
    )
    assert told == {name: getattr(settings, name) for name, each in TABLE.items() if each.ranks}
    assert {name for name, each in TABLE.items() if each.ranks} == set(RankSettings.__dataclass_fields__)


def test_what_a_resume_may_change_is_no_part_of_the_result():
    settings = Settings.check({"seed": 1})
    new = {name for name, each in TABLE.items() if each.before is not ALWAYS_THERE}
    same = {name for name, each in TABLE.items() if each.resume == "same"}
    assert set(settings.describe_result()) - new == same - new
    changed = Settings.check({"seed": 1, "re_eval_max_episode_length": 5}).describe_result()
    assert set(changed) - set(settings.describe_result()) == {"re_eval_max_episode_length"}
    left_out = {
        "checkpoint",
        "checkpoint_interval",
        "checkpoint_seconds",
        "resume",
        "resume_strict",
        "max_walltime",
        "finish_generation",
    }
    assert set(settings.describe_run()) == set(TABLE) - left_out


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    [
        ("clipup", {"momentum": 0.5}),
        ("sgd", {"momentum": 0.0}),
        ("adam", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-5}),
        ("adam", {"epsilon": 0.1}),
        ("clipup", {}),
    ],
    ids=str,
)
def test_the_optimizer_has_the_arguments_that_are_set(optimizer, changes):
    search = make_search(Settings.check(GOOD | {"optimizer": optimizer} | changes), 3)
    plain = make_search(Settings.check(GOOD | {"optimizer": optimizer}), 3)
    for name in ("momentum", "beta1", "beta2", "epsilon"):
        expected = changes.get(name, getattr(plain.optimizer, name, None))
        assert getattr(search.optimizer, name, None) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"momentum": 1.0}, "momentum: expected None or a number from 0 up to, but not including, 1, got 1.0"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum: means nothing with optimizer=adam, which has beta1, "),
        ({"beta1": 0.9}, "beta1: means nothing with optimizer=clipup, which has momentum; got 0.9"),
        ({"optimizer": "sgd", "epsilon": 1e-8}, "epsilon: means nothing with optimizer=sgd, which has momentum"),
        ({"optimizer": "adam", "epsilon": 0}, "epsilon: expected None or a positive number, got 0"),
        ({"optimizer": "adam", "beta2": -0.1}, "beta2: expected None or a number from 0 up to"),
    ],
    ids=str,
)
def test_arguments_that_an_optimizer_does_not_have_are_refused(changes, message):
    assert refused(**changes).startswith(message)

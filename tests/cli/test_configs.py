"""The named configurations are those of the design's table, written out here."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from places import ROOT
from sacred import Experiment

from mpi_pgpe.cli import configs
from mpi_pgpe.cli.sacred_entries import Entries
from mpi_pgpe.training.settings import TABLE, BadSettings, Settings

TINY = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
SAME = {
    "stdev_lr": 0.1,
    "max_episode_length": None,
    "save_interval": 10,
    "re_eval_interval": 10,
    "re_eval_num_episodes": 16,
    "optimizer": "clipup",
    "solution_ranking": True,
    "num_episodes": 1,
    "common_random_numbers": False,
    "target_return": None,
}
HEAD = [
    *("env_name", "re_eval", "obs_norm", "niters", "popsize", "popsize_max", "num_interactions"),
    *("max_speed", "center_lr", "radius", "num_hidden", "decrease_rewards_by"),
]
EXPECTED = {
    None: (TINY, "HumanoidBulletEnv-v0", True, 1000, 10000, 80000, 1_500_000, 0.15, 0.075, 2.25, 1, 0),
    "humanoid_bullet": (TINY, "HumanoidBulletEnv-v0", True, 1000, 10000, 80000, 1_500_000, 0.15, 0.075, 2.25, 1, 0),
    "humanoid": ("Humanoid-v2", "Humanoid-v2", True, 1000, 200, 3200, 150_000, 0.015, 0.0075, 0.27, 0, 5),
    "walker2d": ("Walker2d-v2", "Walker2d-v2", True, 500, 100, 800, 75_000, 0.015, 0.0075, 0.225, 0, 1),
    "lunarlander": (*["LunarLanderContinuous-v2"] * 2, False, 50, 200, None, None, 0.3, 0.15, 4.5, 0, 0),
}  # fmt: skip


def config(*named: str, **updates) -> dict:
    """What sacred makes of the configuration, for `with NAMED entry=value`."""
    experiment = Experiment("test", save_git_info=False)
    experiment.configurations.append(Entries(configs.DEFAULT))
    for name, configuration in configs.NAMED.items():
        experiment.named_configs[name] = Entries(configuration)
    found = {}

    @experiment.main
    def main(_config):
        found.update(_config)

    experiment.run(named_configs=named, config_updates=updates, options={"--loglevel": "ERROR"})
    return found


@pytest.mark.parametrize("name", EXPECTED, ids=str)
def test_named_configurations_are_those_of_the_table(name):
    found = config(*[name] if name else [])
    settings = Settings.check(found)
    found["re_eval"] = settings.re_evaluation[0]
    expected = dict(zip(HEAD, EXPECTED[name], strict=True)) | SAME
    rounded = {key: round(value, 12) if isinstance(value, float) else value for key, value in found.items()}
    assert {key: rounded[key] for key in expected} == expected
    if settings.num_hidden:
        assert settings.widths == (64,)


def test_the_bullet_humanoid_is_the_default_written_out():
    ignored = {"seed"}
    default, written_out = config(), config("humanoid_bullet")
    assert {k: v for k, v in default.items() if k not in ignored} == {
        k: v for k, v in written_out.items() if k not in ignored
    }


def test_derived_values_follow_unless_they_are_set():
    found = config(popsize=400, max_speed=0.2)
    assert found["num_interactions"] == 400 * 200 * 3 // 4
    assert (found["center_lr"], found["radius"]) == pytest.approx((0.1, 3.0))
    found = config("walker2d", popsize=40, max_speed=0.1)
    assert found["num_interactions"] == 40 * 1000 * 3 // 4
    assert (found["center_lr"], found["radius"]) == pytest.approx((0.05, 1.5))
    found = config("humanoid", max_speed=0.1, center_lr=0.01, radius=7.0, num_interactions=5)
    assert (found["center_lr"], found["radius"], found["num_interactions"]) == (0.01, 7.0, 5)


def test_widths_go_before_the_layers_of_a_prepared_configuration():
    for named in ("walker2d", "fast", "humanoid_bullet"):
        assert Settings.check(config(named, hidden=(6, 5))).widths == (6, 5)
    with pytest.raises(BadSettings, match=r"hidden: expected widths that agree with num_hidden=1, got \[6, 5\]"):
        Settings.check(config("walker2d", hidden=(6, 5), num_hidden=1))


def test_another_environment_is_re_evaluated_on_itself():
    assert config(env_name="CartPole-v1")["re_eval_env_name"] is None


def test_every_setting_has_an_entry_and_every_entry_is_a_setting():
    assert set(config()) == set(TABLE)
    assert all(set(configuration.entries) < set(TABLE) for configuration in configs.NAMED.values())


@pytest.mark.parametrize("named", configs.NAMED)
def test_every_named_configuration_passes_the_checks(named):
    Settings.check(config(named))


def test_the_tables_of_the_documentation_are_those_of_the_settings():
    specification = spec_from_file_location("settings_table", ROOT / "docs/settings_table.py")
    tables = module_from_spec(specification)
    specification.loader.exec_module(tables)
    page = tables.PAGE.read_text()
    assert tables.with_tables(page) == page, "python docs/settings_table.py writes them"
    shown = dict(re.findall(r"^\| `(\w+)` \| .+? \| (.+) \| (?:yes)? ?\|$", page.split("### Prepared")[0], re.M))
    assert shown == {name: each.comment for name, each in TABLE.items()}

"""Which library serves a name, what is recorded of it, and what is said where something is not installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest
from families import FAMILIES, NO_MUJOCO_PY, cases

from mpi_pgpe import envs
from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment, registry
from mpi_pgpe.envs.mujoco import mujoco_py_setup

pytestmark = pytest.mark.serial


def versions(*packages):
    return {package: importlib.metadata.version(package) for package in packages}


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("CartPole-v1", ["gym"]),
        ("gymnasium/CartPole-v1", ["gymnasium"]),
        ("LunarLanderContinuous-v2", ["gym", "Box2D"]),
        ("LunarLander-v3", ["gymnasium", "Box2D"]),  # in gymnasium alone
        ("HopperBulletEnv-v0", ["gym", "pybullet"]),
        ("Humanoid-v4", ["gym", "mujoco"]),
        ("Walker2d-v4", ["gymnasium", "mujoco"]),  # gym's model is beyond today's MuJoCo
        ("Swimmer-v4", ["gymnasium", "mujoco"]),  # likewise
        ("Walker2d-v5", ["gymnasium", "mujoco"]),
        ("mpi_pgpe/Walker2d-v2", ["gym", "mujoco"]),
        ("gymnasium/mpi_pgpe/Walker2d-v2", ["gymnasium", "mujoco"]),
        ("families:Wanderer-v0", ["gym"]),
        ("gymnasium/families:Wanderer-v0", ["gymnasium"]),
    ],
)
def test_which_library_serves_a_name(name, packages):
    env = envs.make(name, {})
    assert env.origin == versions(*packages)
    assert type(env.reset(0)).__module__ == "numpy"


@pytest.mark.parametrize("family", cases([f for f in FAMILIES if f.name == "mujoco-py-hopper"]))
def test_origin_of_mujoco_py(family):
    assert envs.make(family.env, family.config).origin == versions("gym", "mujoco-py")


@pytest.mark.parametrize(
    ("name", "libraries"),
    [
        ("families:Wanderer", {"gymnasium"}),
        ("families:GymWanderer", {"gym"}),
        ("families:OldWanderer", {"gym", "gymnasium"}),  # of neither's class: all that it could have used
    ],
)
def test_origin_of_a_users_class(name, libraries):
    assert envs.make(name, {}).origin.keys() & {"gym", "gymnasium"} == libraries


@pytest.fixture
def without(monkeypatch):
    """Makes modules look as if they were not installed."""
    real = importlib.util.find_spec

    def hide(*modules):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name in modules else real(name, *rest)
        )
        for module in modules:
            monkeypatch.delitem(sys.modules, module, raising=False)

    return hide


@pytest.mark.parametrize(
    ("name", "missing", "command"),
    [
        ("HopperBulletEnv-v0", ["pybullet"], "pip install pybullet==3.2.7"),
        ("OtherBulletEnv-v0", ["pybullet_envs"], "pip install pybullet==3.2.7"),  # registered by the package alone
        ("LunarLander-v2", ["Box2D"], "pip install Box2D==2.3.10 pygame-ce"),
        ("LunarLander-v3", ["Box2D"], "pip install Box2D==2.3.10 pygame-ce"),
        ("Humanoid-v5", ["mujoco"], "pip install gymnasium==1.4.0 mujoco imageio"),
        ("mpi_pgpe/Humanoid-v2", ["mujoco"], "pip install gymnasium==1.4.0 mujoco imageio"),
        ("mpi_pgpe/Humanoid-v2", ["gymnasium"], "pip install gymnasium==1.4.0 mujoco imageio"),
        ("Humanoid-v2", ["mujoco_py"], "bin/install_mujoco_py"),
        ("gym/Humanoid-v2", ["mujoco_py"], "mpi_pgpe/Humanoid-v2"),
        ("Humanoid-v5", ["gymnasium"], "pip install gymnasium==1.4.0 mujoco imageio"),
        ("LunarLander-v3", ["gymnasium"], "pip install gymnasium==1.4.0 && pip install Box2D==2.3.10 pygame-ce"),
        ("CliffWalking-v1", ["gymnasium"], "pip install gymnasium==1.4.0"),
        ("LunarLanderContinuous-v2", ["gym"], "pip install gym==0.26.2"),
    ],
)
def test_missing_packages_are_answered_with_the_command(name, missing, command, without):
    without(*missing)
    with pytest.raises(UnknownEnvironment, match=re.escape(command)) as refusal:
        envs.check_name(name)
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("module", "command"),
    [("anywhere", "pip install anywhere"), ("google", 'pip install "protobuf<3.21"'), ("jax.numpy", "gymnasium[jax]")],
)
def test_a_package_that_is_missed_when_it_is_made(module, command, monkeypatch):
    import families

    def lacking(self):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(families.GymWanderer, "__init__", lacking)
    with pytest.raises(UnknownEnvironment, match=re.escape(command)):
        envs.make("families:GymWanderer", {})


def test_a_protobuf_that_is_newer_than_the_minitaurs_know():
    version = pytest.importorskip("google.protobuf").__version__
    if version.startswith("3."):
        pytest.skip(f"protobuf {version} is old enough")
    with pytest.raises(UnknownEnvironment) as refusal:
        envs.make("MinitaurTrottingEnv-v0", {})
    assert str(refusal.value) == (
        "environment 'MinitaurTrottingEnv-v0' cannot be made: it needs an older protobuf than the one that is "
        'installed; install it with: pip install "protobuf<3.21"'
    )


def test_a_plain_id_goes_to_gymnasium_where_gym_is_not_installed(without):
    without("gym")
    assert registry.resolve("CartPole-v1").library == "gymnasium"


def test_mujoco_py_without_mujoco_2_1(monkeypatch, tmp_path):
    if importlib.util.find_spec("mujoco_py") is None:
        pytest.skip("mujoco-py is not installed; bin/install_mujoco_py installs it")
    monkeypatch.setenv("MUJOCO_PY_MUJOCO_PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "mujoco_py", raising=False)
    assert mujoco_py_setup.what_is_missing() == f"MuJoCo 2.1 is not in {tmp_path}"


def test_mujoco_py_that_was_compiled_under_an_older_numpy(monkeypatch, tmp_path):
    if NO_MUJOCO_PY:
        pytest.skip("mujoco-py is not installed; bin/install_mujoco_py installs it")
    monkeypatch.delitem(sys.modules, "mujoco_py", raising=False)
    extension = tmp_path / "cymj.so"
    extension.symlink_to(mujoco_py_setup.find_compiled())
    monkeypatch.setattr(mujoco_py_setup, "find_compiled", lambda: extension)
    stamp = tmp_path / "cymj.so.numpy"
    for fits in (np.__version__, "17.0.1"):  # numpy's own promise: an extension also runs with an older numpy
        stamp.write_text(f"{fits}\n")
        assert mujoco_py_setup.what_is_missing() is None
    stamp.write_text("0.9.1\n")
    expected = f"it was compiled under numpy 0.9.1, and here is numpy {np.__version__}"
    assert mujoco_py_setup.what_is_missing() == expected


def test_library_path_is_set_once_beside_what_was_there(monkeypatch, tmp_path):
    monkeypatch.setenv("MUJOCO_PY_MUJOCO_PATH", str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    for _ in range(2):
        mujoco_py_setup.prepare()
    assert mujoco_py_setup.os.environ["LD_LIBRARY_PATH"] == f"/elsewhere:{tmp_path}/bin"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("gymnasium/Humanoid-v2", " (the physics of v2 without mujoco-py: mpi_pgpe/Humanoid-v2)"),
        ("gymnasium/Hopper-v3", " (the physics of v2 without mujoco-py: mpi_pgpe/Hopper-v2)"),
        ("gymnasium/Swimmer-v2", ""),
    ],
)
def test_gymnasium_says_what_it_has_instead(name, instead):
    with pytest.raises(UnknownEnvironment) as refusal:
        envs.check_name(name)
    assert str(refusal.value).endswith(f"which begins at -v4; gym has it, by mujoco-py{instead}")


def test_the_other_library_is_not_asked_when_one_is_named():
    with pytest.raises(
        UnknownEnvironment, match=r"no environment 'LunarLander-v3' in gym; did you mean LunarLander-v2"
    ):
        envs.check_name("gym/LunarLander-v3")


@pytest.mark.parametrize(
    ("name", "config", "what"),
    [
        ("gym/Pendulum-v1", {"g": 3.5}, "g"),
        ("gymnasium/Pendulum-v1", {"g": 3.5}, "g"),
        ("gymnasium/Ant-v5", {"forward_reward_weight": 2.5}, "_forward_reward_weight"),
        ("families:Wanderer", {"stride": 0.7}, "stride"),
    ],
)
def test_env_config_reaches_the_environment(name, config, what):
    assert getattr(envs.make(name, config)._env, what) == next(iter(config.values()))


@pytest.mark.parametrize("name", ["gym/Pendulum-v1", "gymnasium/Ant-v5", "families:Wanderer", "mpi_pgpe/Ant-v2"])
def test_arguments_that_an_environment_does_not_know(name):
    with pytest.raises(UnsupportedEnvironment, match=r"cannot be made with the arguments \{'colour': 'red'\}"):
        envs.make(name, {"colour": "red"})


@pytest.mark.parametrize(("name", "limit"), [("gym/CartPole-v1", 500), ("gymnasium/CartPole-v1", 500)])
def test_time_limit_of_the_library_and_of_the_user(name, limit):
    assert envs.make(name, {}).time_limit == limit
    assert envs.make(name, {"max_episode_steps": 7}).time_limit == 7


def test_survey_makes_and_steps_every_family(without):
    from mpi_pgpe.envs.survey import examine_families

    found = {finding.family: finding for finding in examine_families()}
    assert all(f.works for f in found.values() if f.family != "mujoco-py" or not NO_MUJOCO_PY)
    assert found["MuJoCo"].detail == ", ".join(f"{k} {v}" for k, v in versions("gymnasium", "mujoco").items())
    without("pybullet", "mujoco_py")
    found = {finding.family: finding for finding in examine_families()}
    assert not found["PyBullet"].works
    assert found["PyBullet"].install == "pip install pybullet==3.2.7"
    assert (found["mujoco-py"].works, found["mujoco-py"].install) == (False, "bin/install_mujoco_py")
    assert found["Box2D of gym"].works


def test_survey_tells_of_an_environment_that_breaks(monkeypatch):
    import families

    from mpi_pgpe.envs.survey import examine_environment

    def step(self, action):
        raise RuntimeError("bent")

    monkeypatch.setattr(families.Wanderer, "step", step)
    finding = examine_environment("mine", "families:Wanderer", install="repair it")
    assert (finding.works, finding.install) == (False, "repair it")
    assert finding.detail.startswith(f"RuntimeError: bent ({__file__}:")


def test_pybullets_environments_are_found_after_the_path_was_set_back():
    """As by a test that undoes what it put on the path, with pybullet_envs imported in between."""
    program = (
        "import sys; before = list(sys.path); from mpi_pgpe import envs; envs.make('HopperBulletEnv-v0', {})\n"
        "sys.path[:] = before; envs.make('ReacherBulletEnv-v0', {}).reset(0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_installed_beside_pybullet_does_not_hide_the_users_modules():
    program = (
        "import sys; from mpi_pgpe import envs; first = sys.path[:3]\n"
        "envs.make('HopperBulletEnv-v0', {}); envs.make('MinitaurBulletEnv-v0', {})\n"
        "assert sys.path[:3] == first, (first, sys.path)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

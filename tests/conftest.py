"""Shared by all tests. The suite runs serially and, the same files, under mpiexec with 2 and 3 ranks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable

import pytest
from places import python_path
from programs import run_program

from mpi_pgpe.parallel.launcher import read_promised_rank

Launch = Callable[..., subprocess.CompletedProcess[str]]

UNDER_MPI = read_promised_rank() is not None


def pytest_configure() -> None:
    """Have the programs that tests start import this checkout, whatever is installed, and hear of interruptions.

    A shell ignores these for what runs in its background, as nohup does.
    """
    os.environ["PYTHONPATH"] = python_path()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_sessionstart() -> None:
    """Give each rank a folder of temporary files to itself.

    Where ranks share that of pytest's tmp_path, one may fail at the end over what another has just removed.
    """
    if UNDER_MPI:
        shared = os.environ.get("PYTEST_DEBUG_TEMPROOT")
        os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="pytest-rank-", dir=shared)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    """Remove that folder, unless a test failed."""
    if UNDER_MPI and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(os.environ["PYTEST_DEBUG_TEMPROOT"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cluster", action="store_true", help="run the tests marked slurm, too; they need root")
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests unless asked for and, under mpiexec, those that gain nothing by it."""
    left_out = {"launches", "serial", "slow"} if UNDER_MPI else set()
    if not config.getoption("--slow"):
        left_out.add("slow")
    if not config.getoption("--cluster"):
        left_out.add("slurm")
    leaving = [item for item in items if any(item.get_closest_marker(marker) for marker in left_out)]
    if leaving:
        config.hook.pytest_deselected(items=leaving)
        items[:] = [item for item in items if item not in leaving]


@pytest.fixture(scope="session")
def launch() -> Launch:
    """`run_program`, as a fixture."""
    return run_program

"""What is decided before anything heavy is loaded: which commands only print, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from places import python_path

from mpi_pgpe.__main__ import COMMANDS
from mpi_pgpe.train import only_prints


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("print_config", True),
        ("-F results print_config with fast", True),
        ("-h", True),
        ("help", True),
        ("with fast", False),
        ("-n print_config with fast", False),
        ("-c help with fast", False),
        ("--name=help with fast", False),
        ("--comment help with fast", False),
        ("-u with notes=help help=1", False),
        ("", False),
    ],
)
def test_commands_that_only_print_are_told_from_values(arguments, expected):
    assert only_prints(arguments.split()) is expected


@pytest.mark.launches
def test_interrupt_while_the_program_is_loaded_is_quiet():
    # The signal comes as soon as the handler stands, before numpy and MPI are loaded.
    program = (
        "from mpi_pgpe.cli import entry\n"
        "import os, signal\n"
        "entry.begin()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "import mpi_pgpe.train\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


NUMPY = """
import os, signal
print("numpy is loaded", flush=True)
os.kill(os.getpid(), signal.SIGINT)
signal.pause()
"""


@pytest.mark.launches
@pytest.mark.parametrize("name", COMMANDS)
def test_interrupt_while_a_command_loads_numpy_is_quiet(tmp_path, name):
    (tmp_path / "numpy.py").write_text(NUMPY)
    command = [sys.executable, "-m", COMMANDS[name][0].removesuffix(".__main__"), "-h"]
    path = python_path(tmp_path)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "numpy is loaded\n", "")


@pytest.mark.launches
def test_an_ignored_interrupt_stays_ignored():
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from mpi_pgpe.cli import quiet_start\n"
        "quiet_start.begin()\n"
        "quiet_start.end()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=300, check=False).returncode == 0


def test_afterwards_interrupts_are_exceptions_again():
    from mpi_pgpe.cli import quiet_start

    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, quiet_start._end)
        quiet_start.end()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)

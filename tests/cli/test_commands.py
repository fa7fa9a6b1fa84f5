"""The commands: how they are listed and found, what they tell, and that importing them changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, python_path

from mpi_pgpe.__main__ import COMMANDS
from mpi_pgpe.base.errors import UserError, WrongInput, describe_error
from mpi_pgpe.cli import configs, entry

pytestmark = [pytest.mark.serial]


def python(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd, env=os.environ | environ
    )


# -- listed and found -----------------------------------------------------------------------------------


@pytest.mark.launches
def test_the_package_lists_its_commands(tmp_path):
    done = python("-m", "mpi_pgpe", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    files = {path.stem for path in (ROOT / "mpi_pgpe").glob("*.py")} - {
        "__init__",
        "__main__",
        "from_python",
        "maximization",
        "restore",
    }
    assert set(COMMANDS) == files | {"agents", "runs"}
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.launches
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_found_and_refuses_as_a_program_does(tmp_path, name):
    wrong = "--no-such-option"
    done, same = (python("-m", *start, wrong, cwd=tmp_path) for start in (["mpi_pgpe", name], [f"mpi_pgpe.{name}"]))
    assert (done.returncode, done.stdout, done.stderr) == (same.returncode, same.stdout, same.stderr)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.launches
def test_an_unknown_command_is_refused(tmp_path):
    done = python("-m", "mpi_pgpe", "trian", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mpi_pgpe: trian: expected one of the commands train, ")


@pytest.mark.launches
def test_help_begins_with_what_is_used_most(tmp_path):
    lines = python("-m", "mpi_pgpe.train", "-h", cwd=tmp_path).stdout.splitlines()
    most_used = lines[lines.index("Used most:") + 1 :][:5]
    assert all(line.startswith("  python -m mpi_pgpe.train ") for line in most_used)
    assert lines.index("Usage:") > max(i for i, line in enumerate(lines) if line.strip().startswith("lunarlander"))
    for name in configs.NAMED:
        assert any(line.split()[:1] == [name] for line in lines)
    assert "  python -m mpi_pgpe.train COMMAND [(with UPDATE...)] [options]" in lines


# -- told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "code", "printed"),
    [
        (UserError("the disk is full"), 1, "x: the disk is full\n"),
        (WrongInput("expected 2\n\x1b[31m"), 2, "x: expected 2??[31m\n"),
        (KeyboardInterrupt(), 130, "x: interrupted\n"),
        (SystemExit(0), 0, ""),
        (SystemExit(3), 3, ""),
    ],
    ids=repr,
)
def test_what_a_user_is_told(capsys, raised, code, printed):
    def work():
        raise raised

    assert entry.guard("x", work) == code
    assert capsys.readouterr() == ("", printed)


def test_faults_of_the_program_are_not_hidden():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        entry.guard("x", work)


BROKEN = {
    "raises": ("import math\n\n1 / 0\n", "ZeroDivisionError: division by zero", 3),
    "lacks": ("import math\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'", 2),
    "garbled": ("x = 1\ndef f(:\n", "SyntaxError: ", 2),
    "within": ("import json\n\njson.loads('{')\n", "JSONDecodeError: Expecting property name", 3),
    "ends": ("raise SystemExit(0)\n", "SystemExit: 0", 1),
}


@pytest.mark.launches
@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(tmp_path, name):
    source, message, line = BROKEN[name]
    (tmp_path / f"{name}.py").write_text(source)
    done = python(
        "-m", "mpi_pgpe.train", "with", "fast", f"env_name={name}:Env", cwd=tmp_path, PYTHONPATH=python_path(tmp_path)
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"train: environment '{name}:Env': ")
    assert message in done.stderr
    assert f"({tmp_path}/{name}.py:{line})" in done.stderr
    assert "PYTHONPATH" not in done.stderr


def test_the_place_is_the_users_own():
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    error = caught.value
    assert describe_error(error) == f"JSONDecodeError: {error} ({__file__}:{error.__traceback__.tb_lineno})"
    error.__traceback__ = error.__traceback__.tb_next  # as if a library had called it
    assert describe_error(error) == f"JSONDecodeError: {error}"
    assert describe_error(KeyError("a b")) == "KeyError: a b"
    assert len(describe_error(ValueError("x" * 10**6))) < 2100


# -- importing changes nothing --------------------------------------------------------------------------------

IMPORT_ALL = """
import os, pkgutil, signal, sys
sys.argv = ["program"]
def state():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() if number not in (9, 19)}
    with open("/proc/self/status") as file:
        umask = next(line for line in file if line.startswith("Umask"))
    return handlers, umask, dict(os.environ), os.getcwd()
masks = []
umask, os.umask = os.umask, lambda mask: masks.append(mask)
import sacred.commands, sacred.experiment, sacred.host_info, warnings
def sacreds():
    options = list(sacred.experiment.DEFAULT_COMMAND_LINE_OPTIONS)
    return options, sacred.commands.LEGEND, sacred.host_info._os.getter_function, sacred.SETTINGS.CAPTURE_MODE
before, sacreds_before = state(), sacreds()
import mpi_pgpe
for module in pkgutil.walk_packages(mpi_pgpe.__path__, "mpi_pgpe."):
    # Those of envs are loaded with their simulator, when an environment is made.
    if not module.name.startswith((*SKIPPED, "mpi_pgpe.envs.")):
        __import__(module.name)
assert state() == before, "the process was changed"
assert sacreds() == sacreds_before, "sacred was changed"
assert not masks, "the umask was set"
print("imported", sum(name.startswith("mpi_pgpe.") for name in sys.modules))
"""


@pytest.mark.launches
def test_importing_changes_nothing(tmp_path):
    skipped = ["mpi_pgpe.cli.plain_yaml", "mpi_pgpe.agents.in_torch"]  # need what may not be installed
    done = python("-W", "ignore", "-c", f"SKIPPED = {skipped}\n{IMPORT_ALL}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 80

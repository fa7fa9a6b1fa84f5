"""Tests, and the programs that they start, run the checkout that they lie in, whatever is installed."""

from __future__ import annotations

import os
import re

import pytest
from places import HELPERS, ROOT, TESTS, python_path

import mpi_pgpe

SHOW = "import mpi_pgpe; print(mpi_pgpe.__file__)"


def test_the_tests_import_this_checkout() -> None:
    assert mpi_pgpe.__file__ == str(ROOT / "mpi_pgpe/__init__.py")


@pytest.mark.launches
@pytest.mark.parametrize("variables", [{}, {"PYTHONPATH": python_path(HELPERS)}])
def test_programs_import_this_checkout(launch, tmp_path, variables) -> None:
    done = launch("-c", SHOW, cwd=tmp_path, env=os.environ | variables)
    assert done.stdout == f"{ROOT}/mpi_pgpe/__init__.py\n", done.stderr


def test_no_program_gets_a_path_without_the_checkout() -> None:
    given = {
        f"{path.relative_to(TESTS)}: {value}"
        for path in TESTS.rglob("*.py")
        for value in re.findall(r"\"?PYTHONPATH\"?(?:: |\] = |=)(.*)", path.read_text())
        if not re.match(r"python_path\(|str\(ROOT\)|path[,}]|\{ENVIRONMENT\[", value)
    }
    assert not given, "build it with places.python_path"

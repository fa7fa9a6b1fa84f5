"""What the benchmarks compare a rank with knows nothing of this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import start

pytestmark = pytest.mark.launches

SHOW = """
ours = [module for module in sys.modules if module.startswith("mpi_pgpe")]
print(env.spec.id, "gym" in sys.modules, "gymnasium" in sys.modules, ours)
"""


@pytest.mark.parametrize("name", start.ENVIRONMENTS)
def test_the_baseline_of_start_loads_nothing_of_this_package(name: str) -> None:
    command = [sys.executable, "-c", start.BASELINE + SHOW, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    library, _, id = name.rpartition("/")
    assert done.stdout.splitlines()[-1] == f"{id} {library != 'gymnasium'} {library == 'gymnasium'} []"

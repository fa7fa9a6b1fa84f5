"""What the benchmarks compare a rank with knows nothing of this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import start

pytestmark = [
    pytest.mark.launches,
    pytest.mark.skipif(np.__version__ >= "2", reason="gym's own wrappers want an older numpy"),
]

SHOW = """
ours = [module for module in sys.modules if module.startswith("mpi_pgpe")]
print(env.spec.id, "gym" in sys.modules, "gymnasium" in sys.modules, ours)
"""


def baseline(name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", start.BASELINE + SHOW, name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [*start.ENVIRONMENTS, "gym/CartPole-v1"])
def test_the_baseline_of_start_loads_nothing_of_this_package(name: str) -> None:
    if "Bullet" in name:
        pytest.importorskip("pybullet")
    done = baseline(name)
    assert done.returncode == 0, done.stderr
    library, _, id = name.rpartition("/")
    assert done.stdout.splitlines()[-1] == f"{id} {library != 'gymnasium'} {library == 'gymnasium'} []"


def test_the_baseline_of_start_takes_no_other_environment_of_the_same_name() -> None:
    assert "NamespaceNotFound" in baseline("mpi_pgpe/CartPole-v1").stderr

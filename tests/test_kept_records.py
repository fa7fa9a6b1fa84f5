"""What version 0.1.0 wrote is read, resumed and restored: data/v0.1.0/README.md says how it was made."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mongo_server import Server
from programs import run_program

from mpi_pgpe import compare, plot, sync
from mpi_pgpe.agents.file import read_agent
from mpi_pgpe.restore import policy_metadata, to_numpy_policy
from mpi_pgpe.runs.mongo.access import DIGESTS
from mpi_pgpe.runs.run_folder import read_metric_lines
from mpi_pgpe.training.metrics import MEASURED

pytestmark = [pytest.mark.serial, pytest.mark.launches]

KEPT = Path(__file__).parent / "data/v0.1.0"
EXPECTED = json.loads((KEPT / "expected.json").read_text())
AGENT = "results/1/CartPole-v1_seed7_iter3.pickle"
SETTINGS = {
    "env_name": "CartPole-v1",
    "seed": 7,
    "popsize": 6,
    "popsize_max": 18,
    "num_interactions": 400,
    "num_hidden": 0,
    "max_speed": 0.3,
    "re_eval_interval": 2,
    "re_eval_num_episodes": 2,
    "save_interval": 3,
    "checkpoint_seconds": 0,
    "notes": "kept",
    "niters": 6,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with both records."""
    with tarfile.open(KEPT / "runs.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(folder: Path) -> dict[int, dict[str, Any]]:
    """What was recorded of each generation, but for times."""
    lines = [line for line, _ in read_metric_lines(folder / "metrics.jsonl")]
    return {line["step"]: {k: v for k, v in line.items() if k not in {*MEASURED, "timestamp"}} for line in lines}


def last_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(("ranks", "resume"), [(1, "auto"), (2, "results/1")])
def test_a_checkpoint_is_gone_on_from_to_the_uninterrupted_end(folder: Path, ranks: int, resume: str) -> None:
    updates = [f"{name}={value}" for name, value in (SETTINGS | {"resume": resume}).items()]
    done = run_program(
        sys.executable, "-m", "mpi_pgpe.train", "-F", "results", "with", *updates, ranks=ranks, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    whole = json.loads((folder / "whole/1/completed.json").read_text())
    assert f"state_digest={whole['state_digest']}" in done.stdout
    assert "going on from results/1/checkpoint-4b478473-seed7-0000003.npz" in done.stdout
    expected = {generation: line for generation, line in metrics(folder / "whole/1").items() if generation > 3}
    assert metrics(folder / "results/2") == expected
    assert "the run goes on as it began, with tie_breaking=order\n" in done.stdout
    assert json.loads((folder / "results/2/config.json").read_text())["tie_breaking"] == "order"


def test_a_run_that_went_on_goes_on_once_more_by_the_rule_that_it_began_with(folder: Path) -> None:
    whole = json.loads((folder / "whole/1/completed.json").read_text())
    for niters in (5, 6):
        updates = [f"{name}={value}" for name, value in (SETTINGS | {"niters": niters, "resume": "auto"}).items()]
        done = run_program(sys.executable, "-m", "mpi_pgpe.train", "-F", "results", "with", *updates, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "tie_breaking=order" in done.stdout
    assert json.loads((folder / "results/3/completed.json").read_text())["state_digest"] == whole["state_digest"]


@pytest.mark.parametrize("in_a_file", [False, True])
def test_another_rule_that_the_user_sets_is_refused(folder: Path, in_a_file: bool) -> None:
    (folder / "rule.json").write_text('{"tie_breaking": "average"}')
    updates = [f"{name}={value}" for name, value in (SETTINGS | {"resume": "results/1"}).items()]
    updates.append("rule.json" if in_a_file else "tie_breaking=average")
    done = run_program(sys.executable, "-m", "mpi_pgpe.train", "-F", "results", "with", *updates, cwd=folder)
    assert done.returncode == 2
    assert "is of another configuration: tie_breaking: 'order' there, 'average' now" in done.stderr
    assert not (folder / "results/2").exists()


def test_a_new_run_has_the_bits_of_then(folder: Path) -> None:
    """With the rule of then for equal fitnesses, which this run has."""
    updates = [f"{name}={value}" for name, value in (SETTINGS | {"tie_breaking": "order"}).items()]
    done = run_program(sys.executable, "-m", "mpi_pgpe.train", "-F", "new", "with", *updates, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert metrics(folder / "new/1") == metrics(folder / "whole/1")


def test_an_agent_is_restored(folder: Path) -> None:
    agent, expected = read_agent(AGENT), EXPECTED["agent"]
    assert agent.parameters.tolist() == expected["parameters"]
    assert agent.moments is not None
    assert agent.moments.count == expected["count"]
    assert (agent.moments.sum.tolist(), agent.moments.sumsq.tolist()) == (expected["sum"], expected["sumsq"])
    metadata = policy_metadata(AGENT)
    assert {name: metadata[name] for name in expected["metadata"]} == expected["metadata"]
    assert np.array_equal(to_numpy_policy(AGENT)(expected["observations"]), expected["actions"])


def test_records_are_compared_and_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["results/1", "whole/1", "--json"]) == 1
    assert last_json(capsys) == EXPECTED["compare"]
    assert compare.main(["results/1", "results/1"]) == 0
    capsys.readouterr()
    assert plot.main(["results/1", "-o", "x.png", "--json"]) == 0
    assert last_json(capsys) == EXPECTED["plot"]


def test_a_record_is_delivered(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Server(tmp_path_factory.mktemp("server"))
    try:
        assert sync.main(["results/1", "-m", f"127.0.0.1:{server.port}:kept"]) == 0
        database = server.client["kept"]
        (run,) = database["runs"].find()
        assert (run["status"], run["config"]["seed"], run["meta"]["comment"]) == ("COMPLETED", 7, "a run to keep")
        assert not database["metrics"].count_documents({"name": "state_digest"})  # what front-ends draw
        (points,) = database[DIGESTS].find({"name": "state_digest"})
        assert points["values"] == [line["state_digest"] for line in metrics(folder / "results/1").values()]
        assert len(run["experiment"]["sources"]) == 21
        assert {artifact["name"] for artifact in run["artifacts"]} >= {"best.pickle", Path(AGENT).name}
    finally:
        server.kill()

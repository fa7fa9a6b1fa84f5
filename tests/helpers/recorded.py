"""Runs to record in the tests, and what a database then holds of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mongo_server import Server
from sacred import Experiment

from mpi_pgpe.runs.recorder import Recorder

GENERATIONS = 12
BEAT = 0.05


def record(observer: Any, main: Callable[[Any], Any], config: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run `main(run)` as a sacred experiment with an observer."""
    experiment = Experiment("tried", base_dir=str(Path(__file__).parent), save_git_info=False)
    experiment.observers.append(observer)
    experiment.add_config(config or {"env_name": "CartPole-v1", "seed": 1, "nested": {"a": [1, None, "x"]}})

    @experiment.main
    def program(_run: Any) -> Any:
        if isinstance(observer, Recorder):
            with observer.capture_output():
                return main(_run)
        return main(_run)

    given = {f"--{key}": value for key, value in options.items()}
    return experiment.run(options={"--beat-interval": BEAT, "--loglevel": "ERROR"} | given)


def log(observer: Recorder, generation: int) -> None:
    values = {"pop_mean": generation / 2, "popsize": 40, "pop_best": np.float32(generation)}
    if generation % 4 == 0:
        values["re_eval_mean"] = float("nan") if generation == 8 else float("inf")
    observer.record_metrics(generation, values)
    print(f"generation={generation}")


def add(observer: Recorder, run: Any, artifact: str, content: bytes) -> None:
    path = observer.folder / artifact
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").rename(path)
    run.add_artifact(str(path), artifact)


def training(observer: Recorder, disturb: Callable[[int], None] = lambda generation: None) -> Callable[[Any], float]:
    """A run whose record is the same each time, with something happening at each generation."""

    def main(run: Any) -> float:
        for generation in range(1, GENERATIONS + 1):
            disturb(generation)
            log(observer, generation)
            if generation % 3 == 0:
                add(observer, run, f"agent{generation}.pickle", bytes([generation]) * 700_000)
                add(observer, run, "best.pickle", b"best" * generation)
            run.info["resumed_from"] = "results/1"
            run.result = float(generation)
            time.sleep(BEAT / 2)
        return float(GENERATIONS)

    return main


def state(server: Server, name: str, run_id: Any = 1) -> dict[str, Any]:
    """What the database holds of a run, without what differs between any two runs."""
    database = server.client[name]
    run = database["runs"].find_one({"_id": run_id})
    assert run is not None
    volatile = ("start_time", "stop_time", "heartbeat", "uid", "_id")
    assert all(run[key] for key in volatile)
    artifacts = {}
    for artifact in run["artifacts"]:
        file = database["fs.files"].find_one({"_id": artifact["file_id"]})
        chunks = database["fs.chunks"].find({"files_id": artifact["file_id"]}).sort("n", 1)
        content = b"".join(chunk["data"] for chunk in chunks)
        assert file["filename"] == f"artifact://runs/{run_id}/{artifact['name']}"
        assert file["length"] == len(content)
        artifacts[artifact["name"]] = content
    metrics = {}
    for metric in run["info"].get("metrics", []):
        found = list(database["metrics"].find({"run_id": run_id, "name": metric["name"]}))
        assert [str(m["_id"]) for m in found] == [metric["id"]]
        assert len(found[0]["timestamps"]) == len(found[0]["steps"])
        metrics[metric["name"]] = (found[0]["steps"], [repr(value) for value in found[0]["values"]])
    assert database["metrics"].count_documents({"run_id": run_id}) == len(metrics)
    kept = {file["_id"] for file in database["fs.files"].find({}, {"_id": 1})}
    assert {chunk["files_id"] for chunk in database["fs.chunks"].find({}, {"files_id": 1})} <= kept, "left-over chunks"
    run["info"].pop("metrics", None)
    rest = {key: value for key, value in run.items() if key not in (*volatile, "artifacts", "host", "meta")}
    return rest | {
        "artifacts": artifacts,
        "metrics": metrics,
        "files": database["fs.files"].count_documents({}) - len(run["experiment"]["sources"]),
    }

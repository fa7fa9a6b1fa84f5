"""What recording costs a run.

    python benchmarks/recording.py [--generations 100000] [-m DATABASE]

Makes the record of a run of so many generations, with an agent saved at every tenth, and then measures
what the next generations spend on it: in the training's thread (metrics, output, agents), and in all
threads together (CPU seconds of the process). A generation lasts 0.5 s here, in which nothing else is done.
The run's folder is a temporary one; -m adds the delivery to a database.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.cli import sacred_patches
from mpi_pgpe.runs.growing_record import METRICS_SHARE
from mpi_pgpe.runs.mongo.address import BadTarget, find_target
from mpi_pgpe.runs.recorder import Recorder

GENERATION = 0.5  # seconds
BEAT = 10.0  # seconds
NAMES = [
    "generation", "pop_median", "pop_mean", "pop_best", "pop_nonfinite", "popsize", "pop_timesteps", "pop_elapsed",
    "elapsed", "timesteps", "stdev_min", "stdev_max", "stdev_mean", "re_eval_mean", "re_eval_median", "re_eval_min",
    "re_eval_max", "re_eval_generation", "re_eval_elapsed", "re_eval_timesteps",
]  # fmt: skip


def metrics(generation: int) -> dict[str, float]:
    return {name: generation / (7 + i) for i, name in enumerate(NAMES[: 20 if generation % 10 == 0 else 13])}


def begin(folder: Path, generations: int, database: str | None) -> tuple[Recorder, float]:
    """A recorder whose run has `generations` behind it."""
    recorder = Recorder(folder, find_target(database))
    now = datetime.datetime.now()
    recorder.started_event(
        {"name": "benchmark", "base_dir": "/", "sources": [], "dependencies": [], "repositories": [], "mainfile": None},
        "main", {"hostname": "here"}, now, {"env_name": "CartPole-v1", "seed": 1}, {}, None,
    )  # fmt: skip
    began = time.perf_counter()
    with contextlib.redirect_stdout(open(os.devnull, "w")), recorder.capture_output():
        for generation in range(1, generations + 1):
            one(recorder, generation, agents=False)
    recorder.run_entry["artifacts"] = [f"CartPole-v1_seed1_iter{g}.pickle" for g in range(10, generations, 10)]
    for name in recorder.run_entry["artifacts"]:
        (recorder.folder / name).touch()
    return recorder, (time.perf_counter() - began) / generations


def one(recorder: Recorder, generation: int, agents: bool = True) -> None:
    """What a generation records."""
    values = metrics(generation)
    recorder.record_metrics(generation, values)
    print(*[f"{name}={value:.5g}" for name, value in values.items()], flush=True)
    if agents and generation % 10 == 0:
        path = recorder.folder / f"CartPole-v1_seed1_iter{generation}.pickle"
        path.write_bytes(b"agent" * 1000)
        recorder.artifact_event(path.name, str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", metavar="N", type=make_minimum(1), default=100_000,
                        help="behind the run (default %(default)s)")  # fmt: skip
    parser.add_argument("--measured", metavar="N", type=make_minimum(1), default=800,
                        help="generations to measure, half a second each (default %(default)s)")  # fmt: skip
    parser.add_argument("-m", "--mongo_db", metavar="DATABASE", help="deliver to this MongoDB as well")
    args = parser.parse_args()
    try:
        find_target(args.mongo_db)
    except BadTarget as error:
        parser.error(str(error))
    sacred_patches.apply()  # before anything else of sacred's
    folder = Path(tempfile.mkdtemp())
    recorder, first = begin(folder, args.generations, args.mongo_db)
    delivery = recorder._delivery
    deliveries: list[tuple[float, float]] = []  # CPU and wall seconds
    if delivery:
        update = delivery._update

        def timed() -> None:
            processor, wall = time.thread_time(), time.perf_counter()
            update()
            deliveries.append((time.thread_time() - processor, time.perf_counter() - wall))

        delivery._update = timed  # type: ignore[method-assign]

    began = time.perf_counter()
    recorder._record._write_metrics()
    metrics_json = time.perf_counter() - began
    recorder._record._metrics_next = float("inf")  # not while it is measured, but as a share of it below
    beat(recorder)
    if delivery:  # until the server has what is behind the run
        sent = sum(len(metrics(generation)) for generation in range(1, args.generations + 1))
        while not deliveries or delivery._mirror is None or delivery._mirror.points < sent:
            time.sleep(1)
        print(
            f"the server has what is behind the run after {sum(wall for _, wall in deliveries):.0f} s", file=sys.stderr
        )
        del deliveries[:]

    main_thread = 0.0
    every = round(BEAT / GENERATION)
    with contextlib.redirect_stdout(open(os.devnull, "w")), recorder.capture_output():
        started, cpu = time.perf_counter(), time.process_time()
        for number in range(1, args.measured + 1):
            began = time.perf_counter()
            one(recorder, args.generations + number)
            main_thread += time.perf_counter() - began
            if number % every == 0:
                beat(recorder)
            time.sleep(max(0, started + number * GENERATION - time.perf_counter()))
        cpu = time.process_time() - cpu
        elapsed = time.perf_counter() - started
    per = 1000 / args.measured
    report = {
        "generations": args.generations,
        "database": bool(args.mongo_db),
        "ms_per_generation_from_the_first_on": round(1000 * first, 3),
        "ms_per_generation_in_training": round(per * main_thread, 3),
        "cpu_ms_per_generation_all_threads": round(per * cpu, 3),
        "deliveries": len(deliveries),
        "cpu_ms_per_delivery": round(1000 * sum(cpu for cpu, _ in deliveries) / max(len(deliveries), 1), 1),
        "seconds_per_delivery": round(sum(wall for _, wall in deliveries) / max(len(deliveries), 1), 2),
        "seconds_to_write_metrics_json": round(metrics_json, 2),
        "percent_metrics_json": round(100 * METRICS_SHARE, 3),
        "percent_of_a_generation": round(100 * (cpu / elapsed + METRICS_SHARE), 3),
    }
    print(json.dumps(report, indent=2))
    recorder.completed_event(datetime.datetime.now(), 1.0)
    recorder.join()
    shutil.rmtree(folder)


def beat(recorder: Recorder) -> None:
    recorder.heartbeat_event({"resumed_from": "results/1"}, "", datetime.datetime.now(), 1.0)


if __name__ == "__main__":
    main()

"""Whole trainings of one configuration on several numbers of ranks, and killed and resumed: every generation's digest.

The default task with a fixed population. Each training is recorded under FOLDER; the last one is killed (kill -9 of all
its ranks) in the middle and goes on with another number of ranks. `state_digest`, of center, stdev, optimizer, moments,
counters and best result, has to be the same in each generation of all of them. What is complete under FOLDER is not
trained again, and what was stopped goes on from its checkpoint; the output says how many runs a training took.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import common

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.base.text import format_json_line
from mpi_pgpe.parallel.launcher import find_descendants

SETTINGS = ("popsize=400", "popsize_max=None", "num_interactions=None", "seed=5")


@dataclass(frozen=True)
class Training:
    """One of the trainings.

    Attributes:
        name: of its folder.
        ranks: to start with.
        then: after a kill in the middle; None: it is not killed.
    """

    name: str
    ranks: int
    then: int | None = None

    def __str__(self) -> str:
        return str(self.ranks) if self.then is None else f"{self.ranks}, killed, then {self.then}"


def digests(folder: Path) -> list[str]:
    """The digest of each generation, from the records of a training's runs; one with two of them is refused."""
    found: dict[int, str] = {}
    for run in runs(folder):
        for line in (run / "metrics.jsonl").read_text().splitlines():
            try:
                metrics = json.loads(line)
            except json.JSONDecodeError:  # the run is writing it just now
                continue
            digest = f"{int(metrics['state_digest']):012x}"
            if found.setdefault(metrics["step"], digest) != digest:
                raise SystemExit(f"{folder}: generation {metrics['step']} is there with two digests")
    return [found[generation] for generation in sorted(found)]


def runs(folder: Path) -> list[Path]:
    """The recorded runs of a training, in order."""
    found = [run for run in folder.glob("[0-9]*") if (run / "metrics.jsonl").exists()]
    return sorted(found, key=lambda run: int(run.name))


def train(training: Training, folder: Path, settings: Sequence[str], generations: int) -> float:
    """Train, or go on, until it is complete; returns the seconds of this time."""
    place, began = folder / training.name, time.monotonic()
    place.mkdir(parents=True, exist_ok=True)
    complete = place / "checkpoints" / "completed.json"
    if complete.exists():
        return 0.0
    if training.then is not None and len(digests(place)) < generations // 2:
        _run_and_kill(command(training.ranks, place, settings), place, generations // 2)
    done = subprocess.run(
        command(training.then or training.ranks, place, settings), capture_output=True, text=True, check=False
    )
    if done.returncode or not complete.exists():
        raise SystemExit(f"{(done.stderr + done.stdout)[-3000:]}\nthe training on {training} ranks failed")
    return time.monotonic() - began


def command(ranks: int, place: Path, settings: Sequence[str]) -> list[str]:
    """Trains on so many ranks, or goes on."""
    where = [f"checkpoint={place / 'checkpoints'}", "resume=auto"]
    program = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", str(place), "with"]
    return [common.mpiexec(), "-n", str(ranks), *program, *settings, *where]


def _run_and_kill(argv: Sequence[str], place: Path, generation: int) -> None:
    """Train until the record has so many generations, then kill launcher and ranks at once."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True) as launched:
        try:
            while len(digests(place)) < generation:
                if launched.poll() is not None:
                    assert launched.stderr is not None
                    raise SystemExit(f"{launched.stderr.read().decode()[-3000:]}\nthe training ended by itself")
                time.sleep(0.2)
        finally:
            for process in (launched.pid, *find_descendants(launched.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def main() -> None:
    parser = common.parser(__doc__, repeats=False)
    parser.add_argument("--folder", metavar="FOLDER", type=Path, required=True, help="where the trainings are recorded")
    parser.add_argument("--ranks", metavar="N", type=make_minimum(1), nargs="+", default=[1, 2, 3, 5])
    parser.add_argument("--killed", metavar="N", type=make_minimum(1), nargs=2, default=[2, 3],
                        help="ranks of the training that is killed, before that and after")  # fmt: skip
    parser.add_argument("--generations", metavar="N", type=make_minimum(2), default=100)
    parser.add_argument("--with", dest="settings", metavar="ENTRY=VALUE", nargs="+", default=[],
                        help=f"further settings of the training, or others than {' '.join(SETTINGS)}")  # fmt: skip
    args = parser.parse_args()
    if wrong := [entry for entry in args.settings if "=" not in entry]:
        parser.error(f"--with: expected ENTRY=VALUE, got {wrong[0]!r}")
    entries = dict(entry.split("=", 1) for entry in [*SETTINGS, *args.settings])
    settings = [f"{name}={value}" for name, value in entries.items()] + [f"niters={args.generations}"]
    trainings = [Training(f"ranks_{ranks}", ranks) for ranks in args.ranks]
    trainings.append(Training(f"killed_{args.killed[0]}_{args.killed[1]}", *args.killed))
    rows: list[common.Row] = []
    for training in trainings:
        seconds = train(training, args.folder, settings, args.generations)
        found, place = digests(args.folder / training.name), args.folder / training.name
        if len(found) != args.generations:
            raise SystemExit(f"{place}: expected the record of {args.generations} generations, got {len(found)}")
        if not rows:
            right = found
        different = [n for n, (one, other) in enumerate(zip(found, right, strict=True), 1) if one != other]
        rows.append(
            {"ranks": str(training), "runs": len(runs(place)), "generations": len(found), "different": len(different),
             "first": different[0] if different else None, "last digest": found[-1], "seconds": seconds}
        )  # fmt: skip
        print(format_json_line(rows[-1]), file=sys.stderr, flush=True)
    title = f"Digests of {args.generations} generations: {' '.join(settings)}"
    common.report(title, rows)
    if args.json is not None:
        common.write_json(title, [*rows, {"digests": " ".join(right)}], args.json)
    raise SystemExit(1 if any(row["different"] for row in rows) else 0)


if __name__ == "__main__":
    main()

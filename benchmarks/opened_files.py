#!/usr/bin/env python
"""Files that a rank opens at start, counted by strace: what a shared file system has to serve, times the ranks.

    python benchmarks/opened_files.py [--env HumanoidBulletEnv-v0] [--json]

Compares an evaluating rank of mpi_pgpe.train with a bare import of numpy, mpi4py and the environment.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import common
from start import BASELINE

TRAIN = [
    "with",
    "env_name={env}",
    "re_eval_env_name=None",
    "niters=1",
    "popsize=4",
    "popsize_max=4",
    "num_interactions=None",
]


def count(trace: Path) -> dict[str, int]:
    """Calls in a trace: opens that found a file, that found none, and how many of the former by place."""
    calls = re.findall(r'openat\(\w+, "([^"]*)".* = (-?\d+)', trace.read_text(errors="replace"))
    found = [path for path, result in calls if int(result) >= 0]
    package = str(Path(__file__).resolve().parent.parent / "mpi_pgpe")
    environment = [path for path in found if path.startswith(sys.prefix)]
    return {
        "opened": len(found),
        "not found": len(calls) - len(found),
        "below sys.prefix": len(environment),
        "of them metadata (dist-info)": sum("dist-info" in path for path in environment),
        "of mpi_pgpe": sum(path.startswith(package) for path in found),
    }


def main() -> None:
    """Run the command."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--env", metavar="ID", type=common.environment, default="HumanoidBulletEnv-v0",
                   help="environment (default %(default)s)")  # fmt: skip
    p.add_argument("--json", action="store_true", help="print one JSON object")
    args = p.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    with tempfile.TemporaryDirectory() as folder:
        strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o"]
        bare, rank = Path(folder, "bare"), Path(folder, "rank")
        train = [
            sys.executable,
            "-m",
            "mpi_pgpe.train",
            "-F",
            "results",
            "-l",
            "ERROR",
            *(a.format(env=args.env) for a in TRAIN),
        ]
        commands = [
            [*strace, bare, sys.executable, "-c", BASELINE, args.env],
            [common.mpiexec(), "-n", "1", *train, ":", "-n", "1", *strace, rank, *train],
        ]
        for command in commands:
            common.output(command, cwd=folder)
        counts = {"numpy, mpi4py and the environment": count(bare), "a rank of mpi_pgpe.train": count(rank)}
    if args.json:
        print(json.dumps(counts))
        return
    for name, row in counts.items():
        print(f"{name}: {', '.join(f'{number} {what}' for what, number in row.items())}")


if __name__ == "__main__":
    main()

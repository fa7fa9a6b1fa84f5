"""Runs that the command line recorded, for the tests of the tools that read them."""

from __future__ import annotations

from pathlib import Path

from programs import run_program

FAST = ["fast", "niters=4", "popsize=4", "num_interactions=None", "re_eval_interval=2", "re_eval_num_episodes=2"]


def record_runs(folder: Path) -> Path:
    """Runs 1, 2 and 3 differ in their seeds, 4 is 1 on two ranks, 5 has another population."""
    for ranks, settings in [(1, ["seed=1"]), (1, ["seed=2"]), (1, ["seed=3"]), (2, ["seed=1"]), (1, ["popsize=6"])]:
        values = [*FAST, "seed=1", *settings]
        done = run_program("-m", "mpi_pgpe.train", "-l", "WARNING", "-F", folder, "with", *values, ranks=ranks)
        assert done.returncode == 0, done.stderr
    for path in folder.glob("*/checksums.json"):  # the tests change what they say
        path.unlink()
    return folder

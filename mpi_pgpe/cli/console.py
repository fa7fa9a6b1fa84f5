"""What a run prints: a line for each generation, a progress bar on a terminal, the summary at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from mpi_pgpe.parallel.launcher import find_launchers
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings

_DELAY = 0.3  # seconds, in which a line that is on its way through mpiexec arrives before the next bar


class Console:
    """Prints to standard output; the bar goes to the terminal alone, never into a record."""

    def __init__(self, episodes_per_direction: int) -> None:
        self._episodes = {"training": episodes_per_direction, "re-evaluation": 1}  # of a task
        self._bar: Any = None
        self._bar_is_of = ""
        self._terminal, self._delay = _own_terminal(), 0.0
        if self._terminal is None:
            self._terminal, self._delay = _terminal_of_mpiexec(), _DELAY

    def start(
        self, settings: Settings, origins: Sequence[dict[str, str]], shape: PolicyShape, ranks: int, folder: Path
    ) -> None:
        """What is about to happen; `origins` of the environments for training and for re-evaluation."""
        served = dict.fromkeys(", ".join(f"{name} {version}" for name, version in o.items()) for o in origins)
        hidden = "x".join(map(str, settings.hidden)) or "linear"
        print(
            f"training {settings.env_name} ({'; re-evaluation: '.join(served)}): {shape.num_parameters} parameters "
            f"({shape.observation_size}-{hidden}-{shape.action_size}), popsize {settings.popsize}, "
            f"{settings.niters} generation{'s' * (settings.niters > 1)}, seed {settings.seed}, "
            f"{ranks} rank{'s' * (ranks > 1)}\n"
            f"agents are saved in {folder}",
            flush=True,
        )

    def progress(self, what: str, tasks: Rounds) -> None:
        """Move the bar over the episodes of the running generation, where there is a terminal."""
        if self._terminal is None:
            return
        if self._bar is None or self._bar_is_of != what:
            self._close_bar()
            self._bar = tqdm(
                desc=what,
                unit=" episodes",
                leave=False,
                file=self._terminal,
                dynamic_ncols=True,
                delay=self._delay,
            )
            self._bar_is_of = what
        episodes = self._episodes[what]
        self._bar.total = tasks.rounds * tasks.size * episodes
        self._bar.update(tasks.done * episodes - self._bar.n)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def report(self, report: Report) -> None:
        """One line for a generation, a second one if it was re-evaluated."""
        self._close_bar()
        groups: dict[bool, list[str]] = {False: [], True: []}
        for name, value in report.metrics.items():
            if name not in ("pop_nonfinite", "pop_failed") or value:
                groups[name.startswith("re_eval_")].append(f"{name}={_short(name, value)}")
        for group in groups.values():
            if group:
                print(*group, flush=True)
        if report.failures:
            print(
                f"{len(report.failures)} failed and got the worst fitness; the first: {report.failures[0]}", flush=True
            )

    def finish(self, re_eval: dict[str, Any], folder: Path, agent: Path | None, recorded: bool) -> None:
        """What came of it, and where it is."""
        if re_eval:
            print(
                f"re-evaluated mean return {re_eval['re_eval_mean']:.1f} "
                f"(from {re_eval['re_eval_min']:.1f} to {re_eval['re_eval_max']:.1f}) "
                f"after generation {re_eval['re_eval_generation']}"
            )
        if recorded:
            print(f"run: {folder}")
        if agent is not None:
            print(f"agent: {agent}")
        best = folder / "best.pickle"
        if best.exists():
            print(f"best agent: {best}", flush=True)

    def close(self) -> None:
        """Leave the terminal in order."""
        self._close_bar()


def _own_terminal() -> IO[str] | None:
    return sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else None


def _terminal_of_mpiexec() -> IO[str] | None:
    """The terminal that the mpiexec above this rank writes its errors to, if any; its ranks write to pipes."""
    try:
        device = os.readlink(f"/proc/{find_launchers()[0]}/fd/2")
        if not device.startswith(("/dev/pts/", "/dev/tty")):
            return None
        return os.fdopen(os.open(device, os.O_WRONLY | os.O_NOCTTY), "w")
    except (OSError, IndexError):
        return None


def _short(name: str, value: float) -> str:
    if name == "state_digest":
        return f"{value:012x}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)

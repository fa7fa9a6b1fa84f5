"""What a run prints: a line for each generation, a progress bar on a terminal, the summary at the end."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from mpi_pgpe.base.output import lossy_text
from mpi_pgpe.base.text import format_path
from mpi_pgpe.parallel.launcher import find_launchers
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.runs.run_folder import BEST_AGENT
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings

LONGEST_LINE = 110  # characters of a line for a generation
_DELAY = 0.3  # seconds, in which a line that is on its way through mpiexec arrives before the next bar
_RECENT = 20  # generations that the time which remains is estimated from
_LINES_BETWEEN_HEADS = 20  # on a terminal

_COLUMNS = {
    "pop_median": 11,
    "pop_best": 11,
    "timesteps": 11,
    "steps/s": 8,
    "stdev_mean": 11,
    "elapsed": 11,
    "remaining": 11,
}
"""Widths of the columns behind the number of the generation."""


class Console:
    """Prints to standard output; the bar goes to the terminal alone, never into a record.

    Args:
        settings: of the run.
        verbose: whether to print anything.
        bar: whether to draw the bar, where there is a terminal.
    """

    def __init__(self, settings: Settings, verbose: bool = True, bar: bool = True) -> None:
        self._settings = settings
        self._verbose = verbose
        self._episodes = {"training": max(2, settings.solutions_per_call) * settings.num_episodes}
        self._episodes["re-evaluation"] = settings.solutions_per_call  # of a task
        self._bar: Any = None
        self._bar_is_of = ""
        self._lines = 0  # of generations, printed so far
        self._first = len(f"generation={settings.niters}")
        self._times: deque[tuple[int, float]] = deque(maxlen=_RECENT + 1)  # (generation, when it was complete)
        self._terminal, self._delay = _own_terminal() if verbose and bar else None, 0.0
        if self._terminal is None and verbose and bar:
            self._terminal, self._delay = _terminal_of_mpiexec(), _DELAY

    def say(self, text: str) -> None:
        """Print, unless nothing is to be printed."""
        if self._verbose:
            print(text, flush=True)

    def start(self, described: str, ranks: int, folder: Path, chosen: Sequence[str] = ()) -> None:
        """What is about to happen; see Subject.describe.

        `chosen` names the settings that nobody set and that were chosen for the environment.
        """
        settings = self._settings
        self.say(
            f"{described}, popsize {settings.popsize}, "
            f"{settings.niters} generation{'s' * (settings.niters > 1)}, seed {settings.seed}, "
            f"{ranks} rank{'s' * (ranks > 1)}\n"
            f"{'agents' if settings.function is None else 'solutions'} are saved in {format_path(folder)}"
        )
        if chosen:
            values = ", ".join(f"{name}={getattr(settings, name)}" for name in chosen)
            self.say(f"chosen for this environment: {values} (docs/choosing-settings.md says how)")
        popsize, most = settings.popsize, settings.popsize_max
        assert popsize is not None
        # Each episode has a step at least, so num_interactions may be met before.
        if most and most % popsize and (settings.num_interactions or 0) > most // popsize * popsize:
            rounds = most // popsize
            self.say(
                f"popsize_max={most} is no multiple of popsize={popsize}: a generation has at "
                f"most {rounds} round{'s' * (rounds > 1)}, which are {rounds * popsize} solutions"
            )

    def begin(self, generation: int) -> None:
        """`generation` generations are complete, and the next one begins."""
        self._times.append((generation, time.monotonic()))

    def progress(self, what: str, tasks: Rounds) -> None:
        """Move the bar over the episodes of the running generation, where there is a terminal."""
        if self._terminal is None:
            return
        if self._bar is None or self._bar_is_of != what:
            self.close()
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

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def report(self, report: Report) -> None:
        """A line for a generation, and one for its re-evaluation."""
        self.close()
        if self._lines == 0 or (self._terminal is not None and self._lines % _LINES_BETWEEN_HEADS == 0):
            self.say(" " * self._first + "".join(f" {name:>{width - 1}}" for name, width in _COLUMNS.items()))
        self._lines += 1
        self._times.append((report.generation, time.monotonic()))
        self.say(self._line(report))
        metrics = report.metrics
        if metrics["pop_nonfinite"]:
            self.say(
                f"{metrics['pop_nonfinite']} of {metrics['popsize']} fitnesses are not finite: they rank as the worst"
            )
        if report.failures:
            self.say(f"{len(report.failures)} failed and got the worst fitness; the first: {report.failures[0]}")
        if "re_eval_mean" in metrics:
            names = ("re_eval_mean", "re_eval_median", "re_eval_min", "re_eval_max")
            self.say(" ".join(f"{name}={_number(metrics[name])}" for name in names))

    def _line(self, report: Report) -> str:
        metrics = report.metrics
        seconds = metrics["pop_elapsed"]
        values = {
            "pop_median": _number(metrics["pop_median"]),
            "pop_best": _number(metrics["pop_best"]),
            "timesteps": _number(metrics["timesteps"]),
            "steps/s": _number(round(metrics["pop_timesteps"] / seconds) if seconds else 0, 7),
            "stdev_mean": _number(metrics["stdev_mean"]),
            "elapsed": _time(metrics["elapsed"]),
            "remaining": _time(self._remaining(report.generation)),
        }
        first = f"generation={report.generation}".ljust(self._first)
        return first + "".join(f" {values[name]:>{width - 1}}" for name, width in _COLUMNS.items())

    def _remaining(self, generation: int) -> float:
        """Seconds that the remaining generations take at the speed of the last ones."""
        (first, began), (last, ended) = self._times[0], self._times[-1]
        return (ended - began) / (last - first) * (self._settings.niters - generation)

    def finish(self, re_eval: dict[str, Any], digest: int, folder: Path, agent: Path | None, recorded: bool) -> None:
        """What came of it, and where it is."""
        self.digest(digest)
        if re_eval:
            self.say(
                f"re-evaluated mean return {re_eval['re_eval_mean']:.1f} "
                f"(from {re_eval['re_eval_min']:.1f} to {re_eval['re_eval_max']:.1f}) "
                f"after generation {re_eval['re_eval_generation']}"
            )
        what = "agent" if self._settings.function is None else "center"
        if recorded:
            self.say(f"run: {format_path(folder)}")
        if agent is not None:
            self.say(f"{what}: {format_path(agent)}")
        best = folder / BEST_AGENT
        if best.exists():
            self.say(f"best {what}: {format_path(best)}")

    def digest(self, digest: int) -> None:
        """The number that stands for all that the run has come to."""
        self.say(f"state_digest={digest:012x}")


def _number(value: float, width: int = 9) -> str:
    """At most `width` characters: whole numbers as they are, others in up to five digits."""
    if isinstance(value, int) and len(str(value)) <= width:
        return str(value)
    for digits in range(5, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= width:
            return text
    return text


def _time(seconds: float) -> str:
    """H:MM:SS, with days in front where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days}d ' if days else ''}{hours}:{minutes:02}:{rest:02}"


def _own_terminal() -> IO[str] | None:
    return sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else None


def _terminal_of_mpiexec() -> IO[str] | None:
    """The terminal that the mpiexec above this rank writes its errors to, if any; its ranks write to pipes."""
    try:
        device = os.readlink(f"/proc/{find_launchers()[0]}/fd/2")
        if not device.startswith(("/dev/pts/", "/dev/tty")):
            return None
        return lossy_text(os.open(device, os.O_WRONLY | os.O_NOCTTY))
    except (OSError, IndexError):
        return None

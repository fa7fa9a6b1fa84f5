"""A training run: it is prepared, goes round by generations, and finishes; with its record, checkpoints and agents."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sacred.run import Run

from mpi_pgpe.base.errors import Interrupted, Stopped, WrongInput
from mpi_pgpe.base.text import format_path, make_printable
from mpi_pgpe.cli import time_table
from mpi_pgpe.cli.console import Console
from mpi_pgpe.cli.outcome import Outcome, make_history
from mpi_pgpe.cli.stop_requests import StopRequests
from mpi_pgpe.parallel.clock import RECORDING
from mpi_pgpe.parallel.tasks import GivenUp
from mpi_pgpe.runs.keeper import Keeper
from mpi_pgpe.runs.recorded_generations import RecordedGenerations, find_recorded
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.run_lock import RunLocks
from mpi_pgpe.runs.saved_agents import make_agents_folder, save_agents
from mpi_pgpe.runs.start import Start, check_size, check_versions
from mpi_pgpe.training.best_solution import BestSolution
from mpi_pgpe.training.metrics import Metrics, Report
from mpi_pgpe.training.on_generation import GenerationReport, OnGeneration
from mpi_pgpe.training.settings import TABLE, Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer


class TrainingRun:
    """Trains, logs and saves.

    Args:
        settings: of the run.
        team: all ranks.
        run: sacred's.
        recorder: of the run, or None.
        start: the checkpoint that the run goes on from, or None.
        requests: to stop, of which the caller listens to all but Ctrl-C.
        locks: of the run, which the caller gives back.
        each_step: whether to time each step of the environments; see the option --profile.
        console: what is printed; None: as the command does.
        on_generation: called after each generation, where Python has started the run.
        chosen: names of settings that were chosen for the environment.
    """

    def __init__(
        self,
        settings: Settings,
        team: Team,
        run: Run,
        recorder: Recorder | None,
        start: Start | None,
        requests: StopRequests,
        locks: RunLocks,
        each_step: bool,
        console: Console | None = None,
        on_generation: OnGeneration | None = None,
        chosen: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._team = team
        self._run = run
        self._recorder = recorder
        self._start = start
        self._locks = locks
        self._each_step = each_step
        self._console = Console(settings) if console is None else console
        self._from_python = console is not None
        self._on_generation = on_generation
        self._chosen = chosen
        self._stopped_by_function = False
        self._last_metrics: Metrics = {}
        self._requests = requests
        requests.configure(settings.max_walltime_seconds, settings.finish_generation)
        self._last_agent: Path | None = None
        self._best_saved: BestSolution | None = None

    def train(self) -> float | None:
        """Do all of it; returns the last re-evaluated mean return.

        Raises:
            Stopped: before the run was complete; the message says where it is and how to go on.
            TaskFailed: an episode, or too many of them, failed.
            WrongInput: before any episode, and then nothing of the run is recorded.
        """
        self._prepare()
        with self._team.world.clock.during(RECORDING):
            self._loop()
        return self._finish()

    def _prepare(self) -> None:
        """Make the environments and, with a checkpoint to go on from, be where it was."""
        settings, team = self._settings, self._team
        team.farm.should_give_up = self._requests.give_up
        try:
            self.trainer = Trainer(settings, team, self._console.progress, self._each_step)
            start, strict = self._start, settings.resume_strict
            if start is not None:
                check_size(start, self.trainer.subject.num_parameters)
            other_versions = start and check_versions(start, self.trainer.versions, strict)
        except WrongInput:
            if self._recorder:
                self._recorder.withdraw()
            raise
        self._run.info["versions"] = self.trainer.versions
        self.folder = self._recorder.folder if self._recorder else make_agents_folder(settings)
        record = {
            "id": self._run._id,
            "folder": str(self.folder.absolute()),
            "database": self._recorder and self._recorder.database,
        }
        self._keeper = Keeper(settings, self.folder, record, self._start)
        self._locks.hold(self._keeper.path, self._keeper.key)
        self._console.start(self.trainer.subject.describe(), team.world.size, self.folder, self._chosen)
        self._recorded = RecordedGenerations() if self._start is None else self._go_on(self._start)
        if other_versions:
            print(other_versions, file=sys.stderr, flush=True)
        self._console.begin(self.trainer.search.generation)

    def _go_on(self, start: Start) -> RecordedGenerations:
        """Set the trainer where the checkpoint was; returns the generations whose metrics are recorded.

        The record of a run that was killed may end before its checkpoint or after it, and be damaged: what is
        missing is recorded here, and what is there is not recorded again.
        """
        self.trainer.restore(start.content["trainer"])
        self._keeper.begin()
        recorder = self._recorder
        found = find_recorded(
            start.runs,
            start.generation,
            recorder.last_step if recorder else lambda run: None,
            lambda message: print(message, file=sys.stderr, flush=True),
        )
        entries_so_far = (entry for entry in self._keeper.metrics() if entry[2] not in found)
        missing = sorted(entries_so_far, key=lambda entry: entry[2])
        for generation, entries in itertools.groupby(missing, key=lambda entry: entry[2]):
            self._log(generation, {name: value for name, value, _ in entries})
        if recorder:
            recorder.continues(start.runs)
        before = start.runs[-1]
        self._run.info["continues"] = {**before, "generation": start.generation, "checkpoint": str(start.path)}
        self._console.say(
            make_printable(
                f"going on from {format_path(start.path)}: generation {start.generation} of run {before['folder']}"
            )
        )
        kept = {name: value for name, value in start.earlier_rules.items() if value != TABLE[name].default}
        if kept:
            rules = ", ".join(f"{name}={value}" for name, value in kept.items())
            self._console.say(f"the run goes on as it began, with {rules}")
        return found

    def _loop(self) -> None:
        """One generation after another, until the run is complete or has to stop."""
        try:
            with self._requests.listening_to_ctrl_c():
                while not (self._complete or self._requests.stop()):
                    self._generation()
        except GivenUp:
            pass  # the trainer is where it was before the generation
        except KeyboardInterrupt:  # pressed again: likewise, but the ranks may be anywhere
            self._console.close()
            self._keeper.write(self.trainer)
            self._requests.reason = self._requests.reason or "an environment or a library raised KeyboardInterrupt"
            raise self._stopped() from None
        finally:
            self._console.close()
            self._keeper.write(self.trainer)

    @property
    def _complete(self) -> bool:
        return self.trainer.complete or self._stopped_by_function

    def _generation(self) -> None:
        began = time.monotonic()
        before = None if self._on_generation is None else self.trainer.state()
        report = self.trainer.step()
        if report.generation not in self._recorded:
            self._log(report.generation, report.metrics)
        self._console.report(report)
        self._last_agent = self._save(report) or self._last_agent
        self._last_metrics = report.metrics
        self._run.result = self.trainer.re_eval.get("re_eval_mean")
        if self._on_generation is not None and before is not None:
            self._call(self._on_generation, report, before)
        self._keeper.keep(report, self.trainer)
        self._requests.learn(time.monotonic() - began, self._keeper.seconds)

    def _call(self, function: OnGeneration, report: Report, before: dict[str, Any]) -> None:
        """Show a generation to the caller's function, and do what it wants for those that follow.

        Where it raises, the trainer goes back to before the generation: a run that goes on repeats it, and calls the
        function again.
        """
        shown_to_it = GenerationReport(report.generation, report.metrics, self.trainer.search)
        try:
            said = function(shown_to_it)
        except BaseException:
            self.trainer.restore(before)
            raise
        self.trainer.adjust(shown_to_it.changes)
        if isinstance(said, bool | np.bool_) and not said:
            self._stopped_by_function = True

    def _finish(self) -> float | None:
        trainer, folder = self.trainer, self.folder
        accounts = time_table.collect_columns(self._team.world.members, self._team.times(), self._each_step)
        self._run.info["profile"] = accounts
        if self._each_step:
            print(time_table.format_table(accounts), flush=True)
        if not self._complete:
            raise self._stopped()
        if not trainer.complete:  # else it has been saved
            self._last_agent = self._save_center()
        self._keeper.complete(
            {
                "generation": trainer.search.generation,
                "timesteps": trainer.timesteps,
                "state_digest": f"{trainer.digest():012x}",
                **trainer.re_eval,
                "folder": str(folder.absolute()),
                **({} if trainer.complete else {"stopped_by": "on_generation"}),
            }
        )
        self._console.finish(trainer.re_eval, trainer.digest(), folder, self._last_agent, self._recorder is not None)
        return trainer.re_eval.get("re_eval_mean")

    def _stopped(self) -> Stopped:
        """The error that ends a run in order: where it is, and how to go on."""
        trainer, keeper = self.trainer, self._keeper
        generation = trainer.search.generation
        self._save_center()
        self._console.digest(trainer.digest())
        same = (
            f"call with resume={str(keeper.path)!r}"
            if self._from_python
            else f"command with resume={format_path(keeper.path)}"
        )
        error = (Interrupted if self._requests.by_ctrl_c else Stopped)(
            f"stopped after generation {generation}: {self._requests.reason}. "
            f"The run is in {format_path(self.folder)}. "
            + (f"To go on: the same {same}" if keeper.has_checkpoint else "There is no checkpoint yet: start it again")
        )
        error.result = self.outcome()
        return error

    def outcome(self) -> Outcome:
        """What the run has come to."""
        trainer = self.trainer
        return Outcome(
            complete=self._complete,
            generation=trainer.search.generation,
            center=np.array(trainer.search.center),
            stdev=np.array(trainer.search.stdev),
            history=make_history(self._keeper.columns),
            agent=trainer.agent(self._last_metrics),
            best_solution=trainer.best_solution_agent(),
            folder=self.folder.absolute(),
            state_digest=f"{trainer.digest():012x}",
            re_eval_mean=trainer.re_eval.get("re_eval_mean"),
        )

    def _save_center(self) -> Path | None:
        """Write the center as an agent, after a generation that did not bring one; returns its path."""
        generation = self.trainer.search.generation
        return self._save(Report(generation, {}, agent=self.trainer.agent(self._last_metrics)))

    def _save(self, report: Report) -> Path | None:
        """Write the agents of a report, and the best solution beside them; returns the path of the center's."""
        best = self.trainer.best_solution
        if report.agent is not None and best is not None and best is not self._best_saved:
            report.best_solution, self._best_saved = self.trainer.best_solution_agent(), best
            self._run.info["best_solution"] = best.describe(self._settings)
        return save_agents(report, self._settings, self.folder, self._run.add_artifact)

    def _log(self, generation: int, metrics: dict[str, Any]) -> None:
        """Record the metrics of a generation: at once, and at sacred's next heartbeat for observers of its own."""
        if self._recorder:
            self._recorder.record_metrics(generation, metrics)
        for name, value in metrics.items():
            self._run.log_scalar(name, value, generation)

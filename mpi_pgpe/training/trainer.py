"""Trainer: one generation after another. It knows neither sacred nor the command line."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent, collect_versions
from mpi_pgpe.agents.solution import Solution
from mpi_pgpe.base.state import digest
from mpi_pgpe.parallel.clock import UPDATE
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.training.best_solution import BestSolution, find_best
from mpi_pgpe.training.failures import check_failures
from mpi_pgpe.training.general_defaults import choose_population
from mpi_pgpe.training.initial_search import make_search
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING, Distribution, Job
from mpi_pgpe.training.metrics import (
    HISTORY,
    MEASURED,
    Report,
    add_to_history,
    summarize_population,
    summarize_re_evaluation,
    summarize_stdev,
)
from mpi_pgpe.training.on_generation import adjust, read_adjustable
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.subject import Subject, make_subject
from mpi_pgpe.training.team import Team

Progress = Callable[[str, Rounds], None]
"""Called with "training" or "re-evaluation" and the tasks, whenever a result has come."""

_TABLE_ROUNDS = 16  # rounds whose seeds are broadcast at the start of an adaptive generation, at most


class Trainer:
    """Trains an agent with the ranks of a team; lives on rank 0.

    Args:
        settings: of the run.
        team: all ranks; the others have to be in `team.serve()`.
        on_progress: see `Progress`.
        profile: whether to take the time of each step of the environments; no result depends on it.

    Raises:
        BadSettings, envs.UnknownEnvironment, envs.UnsupportedEnvironment: before any episode.
    """

    def __init__(
        self, settings: Settings, team: Team, on_progress: Progress | None = None, profile: bool = False
    ) -> None:
        if settings.popsize is None:  # the command has chosen it, so that it is recorded
            settings = replace(settings, **choose_population(settings, ()))
        self.settings = settings
        self.team = team
        self._on_progress = on_progress
        team.start(Job.from_settings(settings, profile))
        self.subject: Subject = make_subject(settings, team)
        self.search = make_search(
            settings, self.subject.num_parameters, team.sum_directions, self.subject.initial_center
        )
        self.best_solution: BestSolution | None = None
        self.adjusted: dict[str, float] = {}
        self._adjustable = read_adjustable(self.search)
        self.moments = self._new_moments()
        if self.subject.initial_moments is not None:
            self.moments.merge(self.subject.initial_moments)
        self.history: dict[str, list[int | float | None]] = {name: [] for name in HISTORY}
        self.timesteps = 0
        self.best_re_eval = -np.inf
        self.re_eval: dict[str, int | float] = {}
        self._scheduled: tuple[dict[str, int | float], float] = {}, -np.inf  # (re_eval, best_re_eval)
        self._started = time.perf_counter()

    @property
    def origins(self) -> tuple[dict[str, str], dict[str, str]]:
        """Libraries and simulators with their versions, of training and of re-evaluation."""
        return self.subject.origins

    def __iter__(self) -> Iterator[Report]:
        """Run the remaining generations; each is yielded as soon as it is complete."""
        while not self.complete:
            yield self.step()

    @property
    def complete(self) -> bool:
        """Whether no generation remains."""
        return self.search.generation >= self.settings.niters or self.reached_target()

    @property
    def versions(self) -> dict[str, str]:
        """By name, of all that the bits of the result depend on: Python, numpy, the simulators, this package."""
        return collect_versions() | self.origins[0] | self.origins[1]

    def digest(self) -> int:
        """A number that stands for all that the run has come to: see base.state.digest."""
        return digest(self._result())

    def reached_target(self) -> bool:
        """Whether a re-evaluation has reached `target_return`."""
        target = self.settings.target_return
        return target is not None and self.best_re_eval >= target

    def state(self) -> dict[str, Any]:
        """Copies of all that the next generation depends on, and of the times so far."""
        return {
            "result": self._result(),
            "re_eval": dict(self._scheduled[0]),
            "history": {name: list(values) for name, values in self.history.items()},
            "end": {"re_eval": dict(self.re_eval), "best_re_eval": self.best_re_eval},
            "elapsed": self.elapsed(),
            **({"adjusted": dict(self.adjusted)} if self.adjusted else {}),
            **({} if self.best_solution is None else {"best_solution": self.best_solution.state()}),
        }

    def _result(self) -> dict[str, Any]:
        # Without the re-evaluation that is made because a run ends: one that ends later does not make it.
        return {
            "search": self.search.state(),
            "moments": self.moments.state(),
            "timesteps": self.timesteps,
            "best_re_eval": self._scheduled[1],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state()` returned, here or in a run before this one."""
        result = state["result"]
        saved = result["moments"]
        self.search.restore(result["search"])
        self.moments = self._new_moments()
        if saved["count"]:
            self.moments = Moments.from_state(saved, self.settings.obs_stdev_floor)
        self.history = {name: list(values) for name, values in state["history"].items()}
        self.timesteps = int(result["timesteps"])
        self._scheduled = dict(state["re_eval"]), float(result["best_re_eval"])
        self.re_eval, self.best_re_eval = self._scheduled
        if self.search.generation >= self.settings.niters:
            self.re_eval, self.best_re_eval = dict(state["end"]["re_eval"]), float(state["end"]["best_re_eval"])
        self._started = time.perf_counter() - state["elapsed"]
        best = state.get("best_solution")  # none in 0.1.0
        self.best_solution = best and BestSolution.from_state(best, self.settings.obs_stdev_floor)
        self.adjusted = {}
        adjust(self.search, self._adjustable)
        self.adjust(state.get("adjusted", {}))

    def adjust(self, values: Mapping[str, float]) -> None:
        """Compute the generations that follow with some values of on_generation.ADJUSTABLE, which the search has."""
        self.adjusted |= values
        adjust(self.search, values)

    def step(self) -> Report:
        """Run one generation; if that raises anything, the trainer is where it was before."""
        before = self.state()
        try:
            with self.team.world.clock.during(UPDATE):
                return self._generation()
        except BaseException:
            self.restore(before)
            raise

    def _generation(self) -> Report:
        began = time.perf_counter()
        search, settings = self.search, self.settings
        blocks = self.team.blocks(TRAINING)
        tasks = Rounds(
            blocks.tasks,
            search.max_rounds,
            search.num_interactions,
            self._on_record("training"),
            self.team.solutions_per_task,
        )
        table_rounds = 1 if search.num_interactions is None else min(search.max_rounds, _TABLE_ROUNDS)
        distribution = self._distribution(table_rounds)
        moments = self.moments.copy() if settings.normalizes else None
        self.team.evaluate(TRAINING, distribution, tasks)
        usage = self.team.farm.load.usage
        results, failures = tasks.results(), tasks.failed_episodes()
        fitness, interactions = (blocks.flatten(results[name], 2) for name in ("fitness", "interactions"))
        for number in range(tasks.rounds):
            directions = slice(number * blocks.total, (number + 1) * blocks.total)
            search.tell(fitness[directions].ravel(), interactions[directions])
        if settings.normalizes:
            self.moments.merge(self.team.moments(len(fitness)))
        self.timesteps += int(interactions.sum())
        self.best_solution = find_best(
            self.best_solution, fitness, settings.seed, distribution, moments, self.timesteps
        )
        report = Report(
            search.generation,
            {
                "generation": search.generation,
                **summarize_population(fitness, interactions, len(failures)),
                "pop_elapsed": time.perf_counter() - began,
                "elapsed": self.elapsed(),
                "timesteps": self.timesteps,
                **summarize_stdev(search.stdev),
                "ranks": self.team.world.size,
                "idle_fraction": usage.idle_fraction(),
                "dropped_fraction": usage.dropped_fraction(len(results)),
                **self.adjusted,
            },
            failures=failures,
        )
        last = search.generation >= settings.niters
        interval = settings.re_eval_interval
        scheduled = interval > 0 and search.generation % interval == 0
        best = False
        if scheduled or last:
            self.re_eval = self._re_evaluate()
            report.metrics |= self.re_eval
            best = self.best_re_eval < self.re_eval["re_eval_mean"] < np.inf
        add_to_history(self.history, report.metrics, scheduled)
        if best:
            self.best_re_eval = self.re_eval["re_eval_mean"]
        if search.generation % settings.save_interval == 0 or last or self.reached_target():
            report.agent = self.agent(report.metrics)
        if best:
            report.best = report.agent or self.agent(report.metrics)
        if scheduled:
            self._scheduled = self.re_eval, self.best_re_eval
        report.metrics["state_digest"] = self.digest()
        return report

    def elapsed(self) -> float:
        """Seconds since the trainer was made."""
        return time.perf_counter() - self._started

    def _on_record(self, what: str) -> Callable[[Rounds], None]:
        def on_record(tasks: Rounds) -> None:
            if tasks.remarks:
                check_failures(tasks.failed_episodes(), self.settings.max_episode_errors)
            if self._on_progress is not None:
                self._on_progress(what, tasks)

        return on_record

    def _distribution(self, table_rounds: int = 0) -> Distribution:
        normalize, dtype = self.settings.normalizes, self.subject.dtype
        return Distribution(
            self.search.generation,
            self.search.center.astype(dtype),
            self.search.stdev.astype(dtype),
            self.moments.mean() if normalize else None,
            self.moments.stdev() if normalize else None,
            self.search.seeds(0, table_rounds * self.search.popsize // 2),
            self.moments.reference,
            self.moments.undecided,
        )

    def _new_moments(self) -> Moments:
        """Without observations; the first generation decides on the reference."""
        return Moments(self.subject.observation_size, stdev_floor=self.settings.obs_stdev_floor, undecided=True)

    def _re_evaluate(self) -> dict[str, int | float]:
        """Mean return and more of the center, over episodes shared among the ranks."""
        blocks = self.team.blocks(RE_EVALUATION)
        on_record = self._on_record("re-evaluation")
        tasks = Rounds(blocks.tasks, on_record=on_record, evaluations=self.team.solutions_per_task)
        self.team.evaluate(RE_EVALUATION, self._distribution(), tasks)
        fitness = blocks.flatten(tasks.results()["fitness"], 1)[:, 0]
        return summarize_re_evaluation(fitness, self.search.generation) | {
            "re_eval_elapsed": self.elapsed(),
            "re_eval_timesteps": self.timesteps,
        }

    def agent(self, metrics: dict[str, int | float]) -> Agent | Solution:
        """The center, with its normalization, as an agent or a solution; `metrics` of its generation go with it."""
        returns = {key: value for key, value in (metrics | self.re_eval).items() if key not in MEASURED}
        history = {name: list(values) for name, values in self.history.items()}
        more = {"generation": self.search.generation, "returns": returns, "history": history}
        return self._saved(self.search.center, self.moments.copy() if self.settings.normalizes else None, more)

    def best_solution_agent(self) -> Agent | Solution | None:
        """The best solution as an agent or a solution, with its fitness and where it was found, if there is one."""
        best = self.best_solution
        if best is None:
            return None
        up_to = [number <= best.generation for number in self.history["generation"] if number is not None]
        history = {name: list(itertools.compress(values, up_to)) for name, values in self.history.items()}
        more = {"generation": best.generation, "timesteps": best.timesteps, "returns": {}, "history": history}
        return self._saved(best.parameters, best.moments, {**more, "best_solution": best.describe(self.settings)})

    def _saved(self, parameters: NDArray[Any], moments: Moments | None, more: Mapping[str, Any]) -> Agent | Solution:
        settings = self.settings
        metadata = {
            "notes": settings.notes,
            "timesteps": self.timesteps,
            "seed": settings.seed,
            "settings": settings.describe_run(),
            "versions": self.versions,
        }
        return self.subject.make_saved(parameters, moments, {**metadata, **more})

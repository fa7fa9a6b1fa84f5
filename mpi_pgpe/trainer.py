"""Trainer: one generation after another. It knows neither sacred nor the command line."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from mpi_pgpe import __version__
from mpi_pgpe.agents import Agent
from mpi_pgpe.moments import Moments
from mpi_pgpe.policies import PolicyShape
from mpi_pgpe.schedule import Rounds
from mpi_pgpe.settings import BadSettings, Settings
from mpi_pgpe.team import RE_EVALUATION, TRAINING, Distribution, Job, Team

Progress = Callable[[str, Rounds], None]
"""Called with "training" or "re-evaluation" and the tasks, whenever a result has come."""

_TABLE_ROUNDS = 16  # rounds whose seeds are broadcast at the start of a generation


@dataclass
class Report:
    """What a generation brought.

    Attributes:
        generation: its number, from 1.
        metrics: by name; the README lists them.
        agent: the center as an agent, if the generation is one to be saved.
        best: the center as an agent, if its re-evaluation is the best so far.
    """

    generation: int
    metrics: dict[str, int | float]
    agent: Agent | None = None
    best: Agent | None = None


class Trainer:
    """Trains an agent with the ranks of a team; lives on rank 0.

    Args:
        settings: of the run.
        team: all ranks; the others have to be in `team.serve()`.
        on_progress: see `Progress`.

    Raises:
        BadSettings, envs.UnknownEnvironment, envs.UnsupportedEnvironment: before any episode.
    """

    def __init__(self, settings: Settings, team: Team, on_progress: Progress | None = None) -> None:
        self.settings = settings
        self.team = team
        self._on_progress = on_progress
        re_eval_env_name, re_eval_env_config = settings.re_evaluation
        team.start(
            Job(
                env_name=settings.env_name,
                env_config=dict(settings.env_config),
                re_eval_env_name=re_eval_env_name,
                re_eval_env_config=re_eval_env_config,
                seed=settings.seed,
                hidden=settings.hidden,
                obs_norm=settings.obs_norm,
                decrease_rewards_by=settings.decrease_rewards_by,
                max_episode_length=settings.max_episode_length,
                num_episodes=settings.num_episodes,
                common_random_numbers=settings.common_random_numbers,
            )
        )
        env = team.environment(TRAINING)
        self.action_space = env.action_space
        self.shape = PolicyShape(env.observation_size, env.action_space.size, settings.hidden)
        self._check_re_evaluation(team)
        self.search = settings.make_search(self.shape.num_parameters, team.sum_directions)
        self.moments = Moments(self.shape.observation_size)
        self.timesteps = 0
        self.best_re_eval = -np.inf
        self.re_eval: dict[str, int | float] = {}
        self._started = time.perf_counter()

    def _check_re_evaluation(self, team: Team) -> None:
        env, space = team.environment(RE_EVALUATION), self.action_space
        found = (env.observation_size, env.action_space.size, env.action_space.discrete)
        expected = (self.shape.observation_size, space.size, space.discrete)
        if found != expected:
            described = [
                f"{n_obs} observations and {n_act} {'discrete' if discrete else 'continuous'} actions"
                for n_obs, n_act, discrete in (expected, found)
            ]
            raise BadSettings(
                f"re_eval_env_name: expected an environment with {described[0]} like "
                f"{self.settings.env_name}, got {team.job.re_eval_env_name} with {described[1]}"
            )

    def __iter__(self) -> Iterator[Report]:
        """Run the remaining generations; each is yielded as soon as it is complete."""
        while self.search.generation < self.settings.niters and not self.reached_target():
            yield self.step()

    def reached_target(self) -> bool:
        """Whether a re-evaluation has reached `target_return`."""
        target = self.settings.target_return
        return target is not None and self.best_re_eval >= target

    def step(self) -> Report:
        """Run one generation."""
        began = time.perf_counter()
        search, settings = self.search, self.settings
        tasks = Rounds(search.popsize // 2, search.max_rounds, search.num_interactions, self._progress("training"))
        self.team.evaluate(TRAINING, self._distribution(min(search.max_rounds, _TABLE_ROUNDS)), tasks)
        results = tasks.results()
        fitness, interactions = results[:, 0::2], results[:, 1::2].astype(np.int64)
        for number in range(tasks.rounds):
            directions = slice(number * tasks.size, (number + 1) * tasks.size)
            search.tell(fitness[directions].ravel(), interactions[directions])
        if settings.obs_norm:
            self.moments.merge(self.team.moments(len(results)))
        self.timesteps += int(interactions.sum())
        finite = fitness[np.isfinite(fitness)]
        stdev = search.stdev
        report = Report(
            search.generation,
            {
                "generation": search.generation,
                "pop_median": float(np.median(finite)) if len(finite) else np.nan,
                "pop_mean": float(np.mean(finite)) if len(finite) else np.nan,
                "pop_best": float(np.max(finite)) if len(finite) else np.nan,
                "pop_nonfinite": fitness.size - len(finite),
                "popsize": fitness.size,
                "pop_timesteps": int(interactions.sum()),
                "pop_elapsed": time.perf_counter() - began,
                "elapsed": self.elapsed(),
                "timesteps": self.timesteps,
                "stdev_min": float(stdev.min()),
                "stdev_max": float(stdev.max()),
                "stdev_mean": float(stdev.mean()),
            },
        )
        last = search.generation >= settings.niters
        best = False
        if search.generation % settings.re_eval_interval == 0 or last:
            self.re_eval = self._re_evaluate()
            report.metrics |= self.re_eval
            best = self.best_re_eval < self.re_eval["re_eval_mean"] < np.inf
        if best:
            self.best_re_eval = self.re_eval["re_eval_mean"]
        if search.generation % settings.save_interval == 0 or last or self.reached_target():
            report.agent = self.agent(report.metrics)
        if best:
            report.best = report.agent or self.agent(report.metrics)
        return report

    def elapsed(self) -> float:
        """Seconds since the trainer was made."""
        return time.perf_counter() - self._started

    def _progress(self, what: str) -> Callable[[Rounds], None] | None:
        callback = self._on_progress
        return None if callback is None else lambda tasks: callback(what, tasks)

    def _distribution(self, table_rounds: int = 0) -> Distribution:
        normalize = self.settings.obs_norm
        return Distribution(
            self.search.generation,
            self.search.center.astype(np.float32),
            self.search.stdev.astype(np.float32),
            self.moments.mean() if normalize else None,
            self.moments.stdev() if normalize else None,
            self.search.seeds(0, table_rounds * self.search.popsize // 2),
        )

    def _re_evaluate(self) -> dict[str, int | float]:
        """Mean return and more of the center, over episodes shared among the ranks."""
        tasks = Rounds(self.settings.re_eval_num_episodes, on_record=self._progress("re-evaluation"))
        self.team.evaluate(RE_EVALUATION, self._distribution(), tasks)
        returns = tasks.results()[:, 0]
        return {
            "re_eval_mean": float(np.mean(returns)),
            "re_eval_median": float(np.median(returns)),
            "re_eval_min": float(np.min(returns)),
            "re_eval_max": float(np.max(returns)),
            "re_eval_generation": self.search.generation,
            "re_eval_elapsed": self.elapsed(),
            "re_eval_timesteps": self.timesteps,
        }

    def agent(self, metrics: dict[str, int | float]) -> Agent:
        """The center, with its normalization, as an agent; `metrics` of its generation go with it."""
        settings = self.settings
        name, config = settings.re_evaluation
        returns = {key: value for key, value in (metrics | self.re_eval).items() if "elapsed" not in key}
        return Agent(
            parameters=self.search.center.astype(np.float32),
            shape=self.shape,
            action_space=self.action_space,
            moments=self.moments if settings.obs_norm else None,
            metadata={
                "env_name": settings.env_name,
                "env_config": dict(settings.env_config),
                "re_eval_env_name": name,
                "re_eval_env_config": config,
                "notes": settings.notes,
                "generation": self.search.generation,
                "timesteps": self.timesteps,
                "seed": settings.seed,
                "returns": returns,
                "settings": asdict(settings),
                "versions": versions(),
            },
        )


_SIMULATORS = {"gym": "gym", "gymnasium": "gymnasium", "pybullet": "pybullet", "Box2D": "Box2D"}


def versions() -> dict[str, str]:
    """Versions of what computed the result: the package, Python, numpy and the simulators in use."""
    found = {"mpi_pgpe": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for module, package in _SIMULATORS.items():
        if module in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found

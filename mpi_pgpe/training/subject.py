"""What a run trains, as rank 0 knows it: a policy in an environment, or the argument of a function."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import AgentFileError
from mpi_pgpe.agents.solution import Solution, read_solution
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.training import initial_agent
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING
from mpi_pgpe.training.settings import BadSettings, Settings
from mpi_pgpe.training.team import Team


class Subject(Protocol):
    """What is trained.

    Attributes:
        num_parameters: of a solution.
        dtype: of solutions.
        observation_size: of the observations with running statistics; 0: there are none.
        origins: libraries and their versions, for training and for re-evaluation.
        initial_center: a number or an array of shape (num_parameters,).
        initial_moments: running statistics to begin with, or None.
    """

    num_parameters: int
    dtype: type[np.floating[Any]]
    observation_size: int
    origins: tuple[dict[str, str], dict[str, str]]
    initial_center: ArrayLike
    initial_moments: Moments | None

    def describe(self) -> str:
        """What it is, for the first line of what is printed."""
        ...

    def make_saved(self, center: NDArray[Any], moments: Moments | None, metadata: dict[str, Any]) -> Agent | Solution:
        """What is saved of it; `metadata` is completed by what is known here."""
        ...


class PolicySubject:
    """A policy; see `Subject`.

    Raises:
        BadSettings, envs.UnknownEnvironment, envs.UnsupportedEnvironment: it cannot be trained.
    """

    dtype: type[np.floating[Any]] = np.float32

    def __init__(self, settings: Settings, team: Team) -> None:
        self._settings = settings
        env = team.environment(TRAINING)
        self.action_space, self.observation_layout = env.action_space, env.observation_layout
        self.origins: tuple[dict[str, str], dict[str, str]] = env.origin, team.environment(RE_EVALUATION).origin
        self.shape = team.policy(TRAINING).shape
        self._check_re_evaluation(team)
        self.num_parameters, self.observation_size = self.shape.num_parameters, env.observation_size
        initial = initial_agent.load_initial_agent(settings, self.shape, self.action_space)
        self.initial_center: ArrayLike = 0.0 if initial is None else initial.parameters
        self.initial_moments = None if initial is None else initial.moments

    def _check_re_evaluation(self, team: Team) -> None:
        env, space = team.environment(RE_EVALUATION), self.action_space
        found, expected = (
            f"{size} observations and {actions}"
            for size, actions in ((env.observation_size, env.action_space), (self.shape.observation_size, space))
        )
        if found != expected:
            raise BadSettings(
                f"re_eval_env_name: expected an environment with {expected} like "
                f"{self._settings.env_name}, got {self._settings.re_evaluation[0]} with {found}"
            )

    def describe(self) -> str:
        """The environment, its libraries, and the layers of the policy."""
        wrapped = "".join(f" in {item}" for item in self._settings.wrappers if isinstance(item, str))
        served = dict.fromkeys(", ".join(f"{name} {version}" for name, version in o.items()) for o in self.origins)
        return (
            f"training {self._settings.env_name}{wrapped} ({'; re-evaluation: '.join(served)}): {self.num_parameters} "
            f"parameters ({self.shape.summarize()})"
        )

    def make_saved(self, center: NDArray[Any], moments: Moments | None, metadata: dict[str, Any]) -> Agent:
        """The agent with these parameters."""
        settings = self._settings
        name, config = settings.re_evaluation
        of_environment = {
            "env_name": settings.env_name,
            "env_config": dict(settings.env_config),
            "env_origin": self.origins[0],
            "re_eval_env_name": name,
            "re_eval_env_config": config,
            "re_eval_env_origin": self.origins[1],
        }
        if settings.wrappers:
            of_environment["wrappers"] = list(settings.wrappers)
        parameters = center.astype(np.float32)
        metadata = of_environment | metadata
        return Agent(parameters, self.shape, self.action_space, moments, metadata, self.observation_layout)


class FunctionSubject:
    """The argument of a function; see `Subject`.

    Raises:
        BadSettings: there is no such function, or `init_from` does not fit it.
    """

    dtype: type[np.floating[Any]] = np.float64
    observation_size: int = 0
    initial_moments: Moments | None = None

    def __init__(self, settings: Settings, team: Team) -> None:
        assert settings.function is not None
        assert settings.solution_length is not None
        team.load_function()
        self._settings = settings
        self.num_parameters = settings.solution_length
        self.origins: tuple[dict[str, str], dict[str, str]] = {}, {}
        self.initial_center: ArrayLike = settings.init
        if settings.init_from is not None:
            self.initial_center = read_initial_solution(settings).parameters

    def describe(self) -> str:
        """The function."""
        how = f", in batches of at most {self._settings.batch_size}" if self._settings.batch else ""
        return f"maximizing {self._settings.function}{how}: {self.num_parameters} parameters"

    def make_saved(self, center: NDArray[Any], moments: Moments | None, metadata: dict[str, Any]) -> Solution:
        """The solution."""
        return Solution(center.astype(np.float64), {"function": self._settings.function, **metadata})


def read_initial_solution(settings: Settings) -> Solution:
    """The saved solution that a search begins at.

    Raises:
        BadSettings: its file cannot be read, or it has another length.
    """
    assert settings.init_from is not None
    try:
        solution = read_solution(settings.init_from)
    except AgentFileError as error:
        raise BadSettings(f"init_from: {error}") from None
    if len(solution.parameters) != settings.solution_length:
        raise BadSettings(
            f"init_from: expected solution_length={settings.solution_length} parameters, got "
            f"{len(solution.parameters)} in {settings.init_from}"
        )
    return solution


def make_subject(settings: Settings, team: Team) -> Subject:
    """What a run with these settings trains."""
    return PolicySubject(settings, team) if settings.function is None else FunctionSubject(settings, team)

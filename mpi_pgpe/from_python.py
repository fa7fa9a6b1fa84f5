"""Training runs from Python: in scripts, under mpirun too, and in notebooks.

    result = mpi_pgpe.train_agent(env="CartPole-v1", niters=30, popsize=40, seed=1)
    action = result.agent(observation)

Under `mpirun -n N python script.py` every rank runs the script, makes the same calls, and gets the same results.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import write_agent
from mpi_pgpe.agents.numpy_policy import NumpyPolicy, OwnNumpyPolicy, make_numpy_policy
from mpi_pgpe.base.errors import Stopped, WrongInput
from mpi_pgpe.parallel.launcher import read_promised_rank
from mpi_pgpe.policies.own import Own, OwnShape, check_own
from mpi_pgpe.training.on_generation import GenerationReport

if TYPE_CHECKING:
    from mpi_pgpe.cli.end_watch import EndWatch
    from mpi_pgpe.cli.outcome import Outcome
    from mpi_pgpe.cli.stop_requests import StopRequests
    from mpi_pgpe.training.team import Team

Path_ = str | os.PathLike[str]
Result = TypeVar("Result")


class TrainedAgent(Agent):
    """An agent that is called with an observation, and acts. A recurrent one keeps its state until `reset`.

    `mpi_pgpe.restore` takes it wherever it takes a file.

    Attributes:
        own: the class of a network of one's own, in the process that trained it; None of others.
    """

    own: Own | None = None

    @classmethod
    def from_agent(cls, agent: Agent, own: Own | None = None) -> TrainedAgent:
        """The same agent."""
        trained = cls(**{each.name: getattr(agent, each.name) for each in fields(Agent)})
        trained.own = own
        return trained

    def __call__(self, observation: ArrayLike) -> Any:
        """The action for an observation, or the actions for a batch; see `restore.to_numpy_policy`."""
        return self._numpy_policy()(observation)

    def reset(self) -> None:
        """An episode begins: the state of a recurrent policy is zero again; others have none."""
        self._numpy_policy().reset()

    def _numpy_policy(self) -> NumpyPolicy | OwnNumpyPolicy:
        if "_policy" not in self.__dict__:
            self.__dict__["_policy"] = make_numpy_policy(self, self.own)
        return self.__dict__["_policy"]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_policy", "own")}

    def save(self, path: Path_) -> None:
        """Write it to a file, which `enjoy` and `restore` read."""
        write_agent(path, self)


@dataclass
class TrainingResult:
    """What a run has come to; the same on every rank.

    Attributes:
        agent: the center after the last generation.
        best_solution: the solution with the highest fitness of all, as an agent; None if no fitness was finite.
        best_fitness: that fitness; NaN if none was finite.
        history: the metrics by the names of the record, each an array with a value for each generation; NaN where a
            generation has none.
        folder: of the record (`results`), or else of the saved agents.
        state_digest: 12 hexadecimal digits that stand for all that the run has come to, as the command prints them.
        complete: whether nothing of it is left to do; False only in `Stopped.result`.
    """

    agent: TrainedAgent
    best_solution: TrainedAgent | None
    best_fitness: float
    history: dict[str, NDArray[Any]]
    folder: Path
    state_digest: str
    complete: bool


def train_agent(
    env: str | Callable[..., Any] | None = None,
    *,
    policy: str | Own | None = None,
    results: Path_ | None = None,
    mongo_db: str | None = None,
    configurations: str | Sequence[str] = (),
    on_generation: Callable[[GenerationReport], object] | None = None,
    verbose: bool = True,
    **settings: Any,
) -> TrainingResult:
    """Train an agent, as `python -m mpi_pgpe.train` does: the same settings, checks, records, checkpoints and bits.

    All ranks: under mpirun every rank makes the call, and rank 0's arguments count, but for `env` and `policy`, which
    each rank takes from its own call.

    Args:
        env: an id, `module:name`, or a class or function that makes the environment, which may stand in the script
            itself; it is recorded by its name. None: the default's, or that of `configurations`.
        policy: the setting `policy`: a kind of network or `module:Class`; or the class of a network of one's own, or a
            function that makes it, which may stand in the script itself. It is recorded by its name.
        results: a folder in which the run is recorded, as with -F; None: agents alone are saved, in `saved_agents`.
        mongo_db: a database in which it is recorded, as with -m.
        configurations: names of prepared configurations or files of settings, as behind `with`.
        on_generation: called after each generation with a `GenerationReport`, on rank 0 alone; it ends the run if it
            returns False, and may set the report's `max_speed`, `center_lr`, `stdev_lr` and `momentum`.
        verbose: whether to print what the command prints.
        settings: by their names, as docs/configuration.md lists them. `wrappers` may have classes and functions among
            the names; like `env` they are recorded by their names, and taken by each rank from its own call.

    Raises:
        WrongInput: the settings cannot be; before any work.
        Stopped: the run was ended in order, by Ctrl-C, a signal or `max_walltime`; its `result` is what it has come
            to so far, and with `resume` it goes on.
        TaskFailed: an episode failed.
        what `on_generation` raises: the run ends; with `resume` it goes on, and repeats that generation.
    """
    settings = dict(settings)
    if "env_name" in settings and env is not None:
        raise WrongInput(f"env={env!r} and env_name={settings['env_name']!r}: expected one of them")
    if settings.get("function") is not None:
        raise WrongInput(f"function={settings['function']!r:.100}: expected mpi_pgpe.maximize, which is for functions")
    if env is not None:
        settings["env_name"] = env
    if policy is not None:
        settings["policy"] = _name_network(policy)
    for name in ("env_name", "re_eval_env_name"):
        if settings.get(name) is not None and not isinstance(settings[name], str):
            from mpi_pgpe.envs.given import give_name  # here, so that a name alone loads nothing

            settings[name] = give_name(settings[name])
    if isinstance(settings.get("wrappers"), (list, tuple)) and any(map(callable, settings["wrappers"])):
        from mpi_pgpe.envs.given import give_name

        settings["wrappers"] = [give_name(each) if callable(each) else each for each in settings["wrappers"]]
    return run_settings(
        settings,
        _result,
        results=results,
        mongo_db=mongo_db,
        configurations=configurations,
        on_generation=on_generation,
        verbose=verbose,
    )


def _name_network(policy: str | Own) -> str:
    from mpi_pgpe.training.named_code import NETWORKS  # here, so that a name alone loads nothing

    if isinstance(policy, str):
        return policy
    return NETWORKS.give(check_own(policy))


def is_rank_0() -> bool:
    """Whether this process is rank 0, or the only one: the one that should print and write files."""
    rank, _ = read_promised_rank() or (0, 1)
    return rank == 0


def run_settings(
    settings: Mapping[str, Any],
    to_result: Callable[[Outcome], Result],
    *,
    results: Path_ | None = None,
    mongo_db: str | None = None,
    configurations: str | Sequence[str] = (),
    on_generation: Callable[[GenerationReport], object] | None = None,
    verbose: bool = True,
) -> Result:
    """All ranks: do the run that these settings describe; see `train_agent` for the other arguments and the errors.

    Args:
        to_result: makes of what came of a run what the caller returns; the result of a Stopped, too.

    Returns:
        what came of it, on every rank.
    """
    if on_generation is not None and not callable(on_generation):
        raise WrongInput(f"on_generation: expected a function of a report, got {on_generation!r:.100}")
    from mpi_pgpe.cli.together import do_together  # here, because it loads MPI's modules

    def work(team: Team, requests: StopRequests, watch: EndWatch) -> Outcome:
        from mpi_pgpe.cli import sacred_patches  # here, because the other ranks never load sacred

        sacred_patches.apply()
        from mpi_pgpe.cli.experiment import Call, run_from_python

        call = Call(
            {name: _plain(value) for name, value in settings.items()},
            (configurations,) if isinstance(configurations, str) else tuple(configurations),
            None if results is None else os.fspath(results),
            mongo_db,
            on_generation,
            verbose,
            bar=sys.stderr is sys.__stderr__,
        )
        return run_from_python(call, team, requests, watch)

    try:
        return to_result(do_together(work))
    except Stopped as stop:
        if stop.result is not None:
            stop.result = to_result(stop.result)
        raise


def _plain(value: Any) -> Any:
    """Paths as text, and numpy's numbers as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value


def _result(outcome: Outcome) -> TrainingResult:
    best = outcome.best_solution
    assert isinstance(outcome.agent, Agent)
    assert best is None or isinstance(best, Agent)
    own = None
    if isinstance(outcome.agent.shape, OwnShape):
        from mpi_pgpe.training.named_code import NETWORKS

        own = NETWORKS.known(outcome.agent.shape.name)  # which this process was given, or has trained
    return TrainingResult(
        TrainedAgent.from_agent(outcome.agent, own),
        None if best is None else TrainedAgent.from_agent(best, own),
        np.nan if best is None else float(best.metadata["best_solution"]["fitness"]),
        outcome.history,
        outcome.folder,
        outcome.state_digest,
        outcome.complete,
    )

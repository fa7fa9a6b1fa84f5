"""A saved agent in an environment: which environment that may be, and the agent's episodes there."""

from __future__ import annotations

import contextlib
import json
import shlex
from typing import Any

from mpi_pgpe import envs
from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import AgentFileError
from mpi_pgpe.base.errors import UserError, describe_error
from mpi_pgpe.cli.film import Look, ViewedEnvironment
from mpi_pgpe.parallel.tasks import Abandoned, Poll
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.own import OwnPolicy
from mpi_pgpe.training import setting_checks
from mpi_pgpe.training.failures import make_failure
from mpi_pgpe.training.named_code import NETWORKS
from mpi_pgpe.training.rollout import LONGEST, Episode, Rollout


def choose_environment(data: dict[str, Any], wanted: str | None) -> tuple[str, dict[str, Any]]:
    """(name, arguments) of the environment for an agent with these metadata: `wanted`, or that of its re-evaluation.

    The file of a stranger must not choose code to run: of its names only the ids of installed environments count,
    and a `module:` before them is not imported. `wanted` may be any name, and gets the arguments that the file has
    for this name.

    Raises:
        AgentFileError: the file names none, or one that only `wanted` may name.
    """
    named = []
    for prefix in ("re_eval_", ""):
        name, config = data.get(f"{prefix}env_name"), data.get(f"{prefix}env_config") or {}
        if name and not (
            isinstance(name, str) and isinstance(config, dict) and all(isinstance(k, str) for k in config)
        ):
            raise AgentFileError(
                "expected the name of the agent's environment and a dictionary of its arguments in the file"
            )
        if name:
            named.append((name, config))
    if wanted is not None:
        return wanted, dict(named).get(wanted, {})
    if not named:
        raise AgentFileError("the file does not say which environment the agent is for; give it with --env")
    name, config = named[0]
    module, _, id = name.rpartition(":")
    if not module:
        return name, config
    for known in (id, f"mpi_pgpe/{id}"):
        with contextlib.suppress(envs.UnknownEnvironment):
            envs.check_name(known)
            return known, config
    raise AgentFileError(
        f"the agent's environment is {name}, which is code; a file does not choose what code is run here. "
        f"If it is yours, or you trust it: --env {name}"
    )


def choose_wrappers(data: dict[str, Any], wanted: list[Any] | None) -> list[Any]:
    """The wrappers around the environment of an agent with these metadata: `wanted`, or those of its training.

    Again a file names those of gym and gymnasium alone.

    Raises:
        AgentFileError: the file names others, or none that can be.
    """
    if wanted is not None:
        return wanted
    try:
        found = setting_checks.wrappers("wrappers", data.get("wrappers", []))
    except ValueError as error:
        raise AgentFileError(f"the agent's {error}") from None
    own = [item for item in found if isinstance(item, str) and ":" in item]
    if own:
        raise AgentFileError(
            f"the agent's environment is wrapped in {' and '.join(own)}, which is code; a file does not choose what "
            f"code is run here. If it is yours, or you trust it: --wrappers {shlex.quote(json.dumps(found))}"
        )
    return found


class Viewer:
    """An agent in an environment.

    Args:
        agent: the agent.
        name: of the environment; None: that of the agent's re-evaluation. See `choose_environment`.
        render_mode: None, "human" or "rgb_array".
        max_episode_length: most steps of an episode; None: the environment's own limit, and LONGEST at most.
        wrappers: around the environment; None: those that the agent was trained with. See `choose_wrappers`.
        policy: module:Class of the agent's network, if it is one's own.

    Raises:
        WrongInput: `policy` is missing or does not fit.
        AgentFileError: `name` or `wrappers` is None, and the file names none that may be made.
        envs.UnknownEnvironment, envs.UnsupportedEnvironment: the environment cannot be made, or the
            agent does not fit it.
    """

    def __init__(
        self,
        agent: Agent,
        name: str | None,
        render_mode: str | None = None,
        max_episode_length: int | None = None,
        wrappers: list[Any] | None = None,
        policy: str | None = None,
    ) -> None:
        own = None if policy is None else NETWORKS.find(policy)
        name, config = choose_environment(agent.metadata, name)
        wrappers = choose_wrappers(agent.metadata, wrappers)
        if render_mode is not None:
            config = config | {"render_mode": render_mode}
        self.env_name, self.wrappers = name, wrappers
        try:
            self.env = envs.make(name, config, wrappers=wrappers)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # an environment may raise anything
            raise envs.UnsupportedEnvironment(
                f"environment {name!r} cannot be made with the arguments {config}: {describe_error(error)}"
            ) from error
        shape, space = agent.shape, agent.action_space
        expected, found = (
            f"{size} observations and {actions}"
            for size, actions in ((shape.observation_size, space), (self.env.observation_size, self.env.action_space))
        )
        if found != expected:
            raise envs.UnsupportedEnvironment(
                f"expected an environment with {expected}, as the agent has, got {name} with {found}"
            )
        self.policy = make_policy(shape, space.within(self.env.action_space), own)
        if isinstance(self.policy, OwnPolicy):
            self.policy.limit_threads()
        moments = agent.moments
        self.policy.load(agent.parameters, *(() if moments is None else moments.normalization()))
        self.max_episode_length = max_episode_length
        self._rollout = self._play_in(self.env)

    def _play_in(self, env: Any) -> Rollout:
        # A file's arguments may give an episode no end.
        return Rollout(env, self.max_episode_length, LONGEST)

    def watch(self, look: Look) -> None:
        """Call `look` after each step of the episodes to come."""
        self._rollout = self._play_in(ViewedEnvironment(self.env, look))

    def run(self, seed: int, poll: Poll | None = None) -> Episode:
        """Run the episode that starts from `seed`.

        Raises:
            TaskFailed: the environment raised something.
        """
        try:
            return self._rollout.run(self.policy, seed, between_steps=poll)
        except (Abandoned, UserError):
            raise
        except (Exception, SystemExit) as error:
            raise make_failure(f"environment {self.env_name!r}", f"(seed {seed})", error) from error

"""`init_from`: the saved agent that training begins with."""

from __future__ import annotations

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import AgentFileError, read_agent
from mpi_pgpe.policies.making import Shape
from mpi_pgpe.policies.own import OwnShape
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.training.settings import BadSettings, Settings


def read_initial_agent(settings: Settings) -> Agent | None:
    """The agent that training begins with, or None; makes no environment.

    Raises:
        BadSettings: its file cannot be read, or it does not fit the settings.
    """
    if settings.init_from is None:
        return None
    try:
        agent = read_agent(settings.init_from)
    except AgentFileError as error:
        raise BadSettings(f"init_from: {error}") from None
    shape = agent.shape
    expected: object = settings.own
    if settings.own is None:
        expected = settings.shape(shape.observation_size, shape.action_size)
        fits = shape.computes_like(expected)
    else:
        fits = isinstance(shape, OwnShape) and shape.name == settings.own
    if not fits:
        raise BadSettings(
            f"init_from: expected a policy {expected}, as the settings (policy, hidden, num_hidden, hidden_size, "
            f"activation, output_activation, bias) say, got {agent.shape} in {settings.init_from}"
        )
    if (agent.moments is not None) != settings.obs_norm:
        has = "no normalization" if agent.moments is None else "a normalization"
        raise BadSettings(
            f"init_from: the agent in {settings.init_from} has {has} of observations, "
            f"but obs_norm={settings.obs_norm}; set obs_norm={not settings.obs_norm}"
        )
    return agent


def load_initial_agent(settings: Settings, shape: Shape, space: ActionSpace) -> Agent | None:
    """The agent that training begins with, or None; `shape` and `space` are those that the environment needs.

    Raises:
        BadSettings: see `read_initial_agent`; or it does not fit the environment.
    """
    agent = read_initial_agent(settings)
    if agent is not None and (not agent.shape.computes_like(shape) or str(agent.action_space) != str(space)):
        raise BadSettings(
            f"init_from: expected a policy of shape {shape} with {space}, as {settings.env_name} "
            f"has them, got {agent.shape} with {agent.action_space} in {settings.init_from}"
        )
    return agent

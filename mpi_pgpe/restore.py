"""Saved agents, back in use: needs neither MPI nor a simulator, and torch for `to_torch_module` alone.

    from mpi_pgpe.restore import to_torch_module, to_numpy_policy, to_flat_observations, policy_metadata

All four read the files of this program and those of pgpelib (2020), and take an agent in place of a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import read_agent
from mpi_pgpe.agents.numpy_policy import NumpyPolicy, OwnNumpyPolicy, make_numpy_policy
from mpi_pgpe.base.errors import MissingPackage
from mpi_pgpe.base.packages import INSTALL_TORCH
from mpi_pgpe.policies.layout import flatten_observations
from mpi_pgpe.policies.own import Own, check_own

if TYPE_CHECKING:
    from mpi_pgpe.agents.in_torch.module import Module

File = str | os.PathLike[str] | Agent
"""The path of a saved agent; or an agent itself, such as `train_agent` returns."""


def _read(file: File) -> Agent:
    return file if isinstance(file, Agent) else read_agent(file)


def _find_own(file: File, policy: str | Own | None) -> Own | None:
    if isinstance(policy, str):
        from mpi_pgpe.training.named_code import NETWORKS  # here, because it is needed for names alone

        return NETWORKS.find(policy)
    return getattr(file, "own", None) if policy is None else check_own(policy)


def to_torch_module(
    file: File, *, norm_layer: bool = True, clip_layer: bool = True, policy: str | Own | None = None
) -> Module:
    """The policy of a saved agent, as a torch module.

    The module maps a float32 observation of shape (observation_size,), or a batch of shape
    (n, observation_size), to actions of shape (action_size,) or (n, action_size); for discrete actions
    to int64 numbers of shape () or (n,); for other action spaces to tensors in their shapes and dtypes, in dictionaries
    and tuples where they are such. `to_flat_observations` gives what flattens an observation for it. It is made of
    float32 on the CPU, whatever torch's default dtype and device are; only its actions have the dtype of the action
    space. It can be exported, moved to another device and trained further, and scripted if its actions are no tuple and
    no dictionary of dictionaries; normalization and bounds are buffers, in its `state_dict`.

    The module of a recurrent policy has an explicit state: `module(observation, state)` gives `(action, next state)`,
    of shape (state_size,) or (n, state_size). `module.initial_state()`, or `module.initial_state(n)`, is that in which
    an episode begins.

    Args:
        file: path of the saved agent, or an agent.
        norm_layer: include the normalization of observations, if the agent has one.
        clip_layer: include what makes an action of the network's output: clipping to the bounds of the
            action space, or the argmax for discrete actions.
        policy: the class of a network of one's own, or its name `module:Class`; a file never chooses code. The module
            then stands between those layers, as it is.

    Raises:
        WrongInput: `policy` is missing, does not fit, or makes no torch module.
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
        MissingPackage: torch is not installed.
    """
    try:
        from mpi_pgpe.agents.in_torch.module import torch_module  # here, so that the others need no torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackage(f"to_torch_module needs torch, which is not installed; {INSTALL_TORCH}") from None

    return torch_module(_read(file), norm_layer, clip_layer, _find_own(file, policy))


def to_numpy_policy(file: File, *, policy: str | Own | None = None) -> NumpyPolicy | OwnNumpyPolicy:
    """The policy of a saved agent, as a function of numpy arrays.

    It maps an observation of shape (observation_size,), or a batch of shape (n, observation_size), to
    actions of shape (action_size,) or (n, action_size) within the bounds of the action space, in its dtype;
    for discrete actions to integers of shape () or (n,). Of an environment with other spaces it also takes an
    observation as it comes (a dictionary, say), and gives actions in the action space; of a batch, a batch of each of
    their arrays. Use `policy_metadata` for the rest.

    A recurrent policy keeps its state from call to call, for each observation of a batch its own. Call its `reset()`
    where an episode begins, as those of a batch then do together; other policies have the method, too.

    Args:
        file: path of the saved agent, or an agent.
        policy: the class of a network of one's own, or its name `module:Class`; a file never chooses code. It takes one
            observation at a time.

    Raises:
        WrongInput: `policy` is missing or does not fit.
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
    """
    return make_numpy_policy(_read(file), _find_own(file, policy))


def to_flat_observations(file: File) -> Callable[[Any], NDArray[np.float32]]:
    """What flattens observations for the policy of a saved agent, as `flatten` of gym and gymnasium does.

    It maps an observation as it comes from the environment (a dictionary, say) to a float32 array of shape
    (observation_size,); flat ones, of shape (observation_size,) or (n, observation_size), stay as they are.

    Raises:
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
    """
    agent = _read(file)
    size, layout = agent.shape.observation_size, agent.observation_layout
    return lambda observations: flatten_observations(observations, size, layout)


def policy_metadata(file: File) -> dict[str, Any]:
    """What is known of a saved agent: env_name, env_config, notes, generation, timesteps, seed,
    returns, history, settings, versions; the first three alone for an agent of pgpelib (2020).

    `gym.make(metadata["env_name"], **metadata["env_config"])` makes its environment, or gymnasium.make where
    that is the first library in metadata["env_origin"]; a prefix `gym/` or `gymnasium/` of the name goes.

    Raises:
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
    """
    return _read(file).metadata

"""Saved agents as torch modules; needs neither MPI nor a simulator. The only place that imports torch."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from mpi_pgpe.agents import read_agent


class ObsNormLayer(nn.Module):
    """Scales observations: (x - mean) / stdev; its buffers have shape (observation_size,)."""

    mean: torch.Tensor
    stdev: torch.Tensor

    def __init__(self, mean: torch.Tensor, stdev: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("stdev", stdev)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.stdev


class ClipLayer(nn.Module):
    """Clips actions to the action space; its buffers have shape (action_size,)."""

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, low: torch.Tensor, high: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(torch.minimum(x, self.high), self.low)


class ArgmaxLayer(nn.Module):
    """The number of the largest output: the discrete action."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(dim=-1) + self.start


def to_torch_module(file: str | os.PathLike[str], *, norm_layer: bool = True, clip_layer: bool = True) -> nn.Sequential:
    """The policy of a saved agent.

    The module maps a float32 observation of shape (observation_size,), or a batch of shape
    (n, observation_size), to actions of shape (action_size,) or (n, action_size); for discrete actions
    to int64 numbers of shape () or (n,).

    Args:
        file: path of the saved agent.
        norm_layer: include the normalization of observations, if the agent has one.
        clip_layer: include what makes an action of the network's output: clipping to the bounds of the
            action space, or the argmax for discrete actions.

    Raises:
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
    """
    agent = read_agent(file)
    layers: list[nn.Module] = []
    if norm_layer and agent.moments is not None:
        layers.append(ObsNormLayer(_tensor(agent.moments.mean()), _tensor(agent.moments.stdev())))
    parts = agent.shape.split(agent.parameters)
    for number, (weights, bias) in enumerate(parts):
        linear = nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            linear.weight.copy_(_tensor(weights))
            linear.bias.copy_(_tensor(bias))
        layers.append(linear)
        if number < len(parts) - 1:
            layers.append(nn.Tanh())
    space = agent.action_space
    if clip_layer:
        if space.low is not None and space.high is not None:
            layers.append(ClipLayer(_tensor(space.low), _tensor(space.high)))
        else:
            layers.append(ArgmaxLayer(space.start))
    return nn.Sequential(*layers)


def policy_metadata(file: str | os.PathLike[str]) -> dict[str, Any]:
    """What is known of a saved agent: env_name, env_config, notes, generation, timesteps, seed,
    returns, settings, versions.

    `gym.make(metadata["env_name"], **metadata["env_config"])` makes its environment.

    Raises:
        agents.AgentFileError: the file is missing, damaged or not a saved agent.
    """
    return read_agent(file).metadata


def _tensor(array: Any) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32)

"""Policies as torch modules: the only place that imports torch.

Without `from __future__ import annotations`: torch.jit.script takes types, and not their names.
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from mpi_pgpe.agents.agent import Agent

Module = nn.Sequential
"""What `torch_module` gives."""


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


class DoubleLayer(nn.Module):
    """Actions as float64."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.double()


class HalfLayer(nn.Module):
    """Actions as float16."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.half()


_CASTS = {"float16": HalfLayer, "float64": DoubleLayer, "longdouble": DoubleLayer}


class Sin(nn.Module):
    """The sine, elementwise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)


_ACTIVATIONS = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "sin": Sin,
    "identity": nn.Identity,
}


class ArgmaxLayer(nn.Module):
    """The number of the largest output: the discrete action."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(dim=-1) + self.start


def torch_module(agent: Agent, norm_layer: bool, clip_layer: bool) -> Module:
    """See `restore.to_torch_module`."""
    layers: list[nn.Module] = []
    if norm_layer and agent.moments is not None:
        layers.append(ObsNormLayer(_tensor(agent.moments.mean()), _tensor(agent.moments.stdev())))
    shape = agent.shape
    for weights, bias in shape.split(agent.parameters):
        # Made without memory first, so that nothing draws from torch's random generator.
        linear = nn.Linear(
            weights.shape[1], weights.shape[0], bias=bias is not None, device="meta", dtype=torch.float32
        ).to_empty(device="cpu")
        with torch.no_grad():
            linear.weight.copy_(_tensor(weights))
            if bias is not None:
                linear.bias.copy_(_tensor(bias))
        layers += [linear, _ACTIVATIONS[shape.activation]()]
    layers.pop()
    if shape.output_activation != "identity":
        layers.append(_ACTIVATIONS[shape.output_activation]())
    space = agent.action_space
    if clip_layer:
        if space.low is not None and space.high is not None:
            layers.append(ClipLayer(_tensor(space.low), _tensor(space.high)))
            if space.dtype in _CASTS:
                layers.append(_CASTS[space.dtype]())
        else:
            layers.append(ArgmaxLayer(space.start))
    return Module(*layers)


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32, device="cpu")

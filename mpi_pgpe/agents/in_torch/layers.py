"""Layers around the networks: normalization, activations, and what makes actions of outputs.

Without `from __future__ import annotations`: torch.jit.script takes types, and not their names.
"""

import torch
from torch import nn

from mpi_pgpe.policies.layout import WHOLE, Layout


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


CASTS = {"float16": HalfLayer, "float64": DoubleLayer, "longdouble": DoubleLayer}


class Sin(nn.Module):
    """The sine, elementwise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)


ACTIVATIONS = {
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


class BoxLayer(nn.Module):
    """Numbers as an array of a shape and dtype, rounded if they are whole ones."""

    shape: list[int]

    def __init__(self, shape: list[int], dtype: torch.dtype, rounds: bool) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = dtype
        self.rounds = rounds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.rounds:
            x = x.round()
        return x.to(self.dtype).reshape(list(x.shape[:-1]) + self.shape)


class BinaryLayer(nn.Module):
    """Whether each number is above zero, as zeros and ones of a shape and dtype."""

    shape: list[int]

    def __init__(self, shape: list[int], dtype: torch.dtype) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x > 0).to(self.dtype).reshape(list(x.shape[:-1]) + self.shape)


class ChoicesLayer(nn.Module):
    """The numbers of the largest outputs, as integers of a shape and dtype."""

    shape: list[int]
    counts: list[int]
    starts: list[int]

    def __init__(self, shape: list[int], dtype: torch.dtype, counts: list[int], starts: list[int]) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = dtype
        self.counts = counts
        self.starts = starts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chosen = [
            codes.argmax(dim=-1) + start
            for codes, start in zip(torch.split(x, self.counts, dim=-1), self.starts)  # noqa: B905  # script has no strict
        ]
        return torch.stack(chosen, dim=-1).to(self.dtype).reshape(list(x.shape[:-1]) + self.shape)


class DictLayer(nn.Module):
    """A dictionary of what layers make of their parts of the outputs."""

    keys: list[str]
    sizes: list[int]

    def __init__(self, keys: list[str], sizes: list[int], layers: list[nn.Module]) -> None:
        super().__init__()
        self.keys = keys
        self.sizes = sizes
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = torch.split(x, self.sizes, dim=-1)
        made: dict[str, torch.Tensor] = {}
        for i, layer in enumerate(self.layers):
            made[self.keys[i]] = layer(parts[i])
        return made


class TupleLayer(nn.Module):
    """A tuple of what layers make of their parts of the outputs; no form that torch.jit.script knows."""

    def __init__(self, sizes: list[int], layers: list[nn.Module]) -> None:
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> tuple:  # type: ignore[type-arg]
        parts = torch.split(x, self.sizes, dim=-1)
        return tuple(layer(part) for layer, part in zip(self.layers, parts))  # noqa: B905


class NumberLayer(nn.Module):
    """The least action for what is not a number; its buffer has shape (action_size,)."""

    low: torch.Tensor

    def __init__(self, low: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("low", low)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.isnan(x), self.low, x)


def make_action_layer(layout: Layout, low: torch.Tensor) -> nn.Module:
    """What makes actions of outputs within the bounds of the action space, of which `low` is the lower one."""
    return nn.Sequential(NumberLayer(low), _make_layer(layout))


def _make_layer(layout: Layout) -> nn.Module:
    if layout.parts:
        sizes, layers = [part.size for part in layout.parts], [_make_layer(part) for part in layout.parts]
        return DictLayer(list(layout.keys), sizes, layers) if layout.kind == "Dict" else TupleLayer(sizes, layers)  # type: ignore[arg-type]
    shape, dtype = list(layout.shape), getattr(torch, layout.dtype, torch.float64)  # torch has no longdouble
    if layout.kind == "Box":
        return BoxLayer(shape, dtype, layout.dtype in WHOLE)
    if layout.kind == "MultiBinary":
        return BinaryLayer(shape, dtype)
    return ChoicesLayer(shape, dtype, list(layout.counts), list(layout.starts))

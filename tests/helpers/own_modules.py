"""Networks of users in torch, named `own_modules:Class`."""

from __future__ import annotations

import torch
from torch import nn


class Net(nn.Module):
    """Two layers with what training would switch on, and a buffer of random numbers."""

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(observation_size, 6)
        self.norm = nn.LayerNorm(6)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(6, action_size)
        self.register_buffer("features", torch.randn(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.drop(torch.tanh(self.norm(self.first(x)) + self.features)))


class Remembers(nn.Module):
    """A GRU whose state is a buffer that it replaces at every step; it has no reset of its own."""

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(observation_size, 4)
        self.last = nn.Linear(4, action_size)
        self.register_buffer("state", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.state = self.cell(x, self.state)
        return self.last(self.state)


class Tuples(Net):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return super().forward(x), None


class NoParameters(nn.Module):
    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.size = action_size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum().repeat(self.size)

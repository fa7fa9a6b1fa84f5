"""Recurrent policies with an explicit state.

Without `from __future__ import annotations`: torch.jit.script takes types, and not their names.
"""

import torch
from torch import nn


class CellLayer(nn.Module):
    """A recurrent cell with a state of shape (..., units)."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return self.cell(x, state)


class LstmLayer(nn.Module):
    """An LSTM cell with a state of shape (..., 2 units): h and c."""

    def __init__(self, cell: nn.LSTMCell) -> None:
        super().__init__()
        self.cell = cell
        self.units = cell.hidden_size

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        h, c = torch.split(state, [self.units, self.units], dim=-1)
        h, c = self.cell(x, (h, c))
        return torch.cat([h, c], dim=-1)


class Recurrent(nn.Module):
    """A recurrent policy with an explicit state: (observation, state) -> (action, next state).

    Args:
        before: what comes before the cells.
        cells: CellLayer or LstmLayer each.
        after: what comes after them.
        units: of each cell.
        sizes: of the state of each cell.

    Attributes:
        state_size: of all of it. A state has shape (state_size,), or (n, state_size) for a batch.
        start: the state in which an episode begins, zeros; a buffer.
    """

    start: torch.Tensor
    units: list[int]
    sizes: list[int]

    def __init__(
        self, before: nn.Module, cells: list[nn.Module], after: nn.Module, units: list[int], sizes: list[int]
    ) -> None:
        super().__init__()
        self.before = before
        self.cells = nn.ModuleList(cells)
        self.after = after
        self.units = units
        self.sizes = sizes
        self.state_size = sum(sizes)
        self.register_buffer("start", torch.zeros(self.state_size, dtype=torch.float32, device="cpu"))

    @torch.jit.export
    def initial_state(self, n: int | None = None) -> torch.Tensor:
        """The state in which an episode begins, or those of a batch of n."""
        if n is None:
            return self.start.clone()
        return self.start.repeat(n, 1)

    def forward(self, observation: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.before(observation)
        states = list(torch.split(state, self.sizes, dim=-1))
        for i, cell in enumerate(self.cells):
            states[i] = cell(x, states[i])
            x = states[i][..., : self.units[i]]
        return self.after(x), torch.cat(states, dim=-1)

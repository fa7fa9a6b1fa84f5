"""Recurrent policies: cells that keep a state from step to step, and a linear layer, on one flat float32 vector.

The formulas are those of torch.nn.RNNCell, GRUCell and LSTMCell (their documentation, of PyTorch 2), s being the
sigmoid, x the input, h the state:

    rnn     h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu
    gru     r = s(W_ir x + b_ir + W_hr h + b_hr)          z = s(W_iz x + b_iz + W_hz h + b_hz)
            n = tanh(W_in x + b_in + r (W_hn h + b_hn))   h' = (1 - z) n + z h
    lstm    i = s(W_ii x + b_ii + W_hi h + b_hi)          f = s(W_if x + b_if + W_hf h + b_hf)
            g = tanh(W_ig x + b_ig + W_hg h + b_hg)       o = s(W_io x + b_io + W_ho h + b_ho)
            c' = f c + i g                                h' = o tanh(c')

Rows of the matrices are in the order r, z, n and i, f, g, o. States are zero when an episode begins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.policies.activations import ACTIVATIONS, sigmoid
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.network import CELLS, CellParameters, PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

_HALF = np.array(0.5, np.float32)


class _Cell(ABC):
    """One cell, in arrays that are used again and again.

    The sigmoid is computed as s(x) = (1 + tanh(x / 2)) / 2, where the half is in the weights already.

    Attributes:
        of_input, of_state: [weights | bias], for inputs with a 1 appended.
        output_and_1, output: of the last step, zero before it.
        halved: the rows whose sigmoid is wanted.
    """

    halved: tuple[slice, ...] = ()

    def __init__(self, units: int, inputs: int, kind: str) -> None:
        rows = CELLS[kind] * units
        self.of_input = np.empty((rows, inputs + 1), np.float32)
        self.of_state = np.empty((rows, units + 1), np.float32)
        self.output_and_1 = np.append(np.zeros(units, np.float32), np.float32(1))
        self.output = self.output_and_1[:-1]
        self._x, self._h = np.empty(rows, np.float32), np.empty(rows, np.float32)

    def load(self, parameters: CellParameters, mean: NDArray[Any] | None, stdev: NDArray[Any] | None) -> None:
        """Take the cell's parameters; with the normalization of its input folded in, as in Policy.load."""
        of_input, of_state, bias_of_input, bias_of_state = parameters
        self.of_input[:, -1] = 0 if bias_of_input is None else bias_of_input
        self.of_state[:, -1] = 0 if bias_of_state is None else bias_of_state
        self.of_state[:, :-1] = of_state
        if mean is None or stdev is None:
            self.of_input[:, :-1] = of_input
        else:
            scaled = of_input / stdev
            self.of_input[:, :-1] = scaled
            self.of_input[:, -1] -= scaled @ mean
        for rows in self.halved:
            self.of_input[rows] *= _HALF
            self.of_state[rows] *= _HALF

    def reset(self) -> None:
        """Set the state to zero."""
        self.output[:] = 0

    @abstractmethod
    def step(self, input_and_1: NDArray[np.float32]) -> None:
        """From the state and the input to the next state."""


class _Rnn(_Cell):
    def __init__(self, units: int, inputs: int, activation: str) -> None:
        super().__init__(units, inputs, "rnn")
        self._activate = ACTIVATIONS[activation]

    def step(self, input_and_1: NDArray[np.float32]) -> None:
        self.of_input.dot(input_and_1, self._x)
        self.of_state.dot(self.output_and_1, self._h)
        np.add(self._x, self._h, self.output)
        self._activate(self.output, self.output)


class _Gru(_Cell):
    def __init__(self, units: int, inputs: int, activation: str) -> None:
        super().__init__(units, inputs, "gru")
        self.halved = (slice(2 * units),)
        self._x_gates, self._x_new = self._x[: 2 * units], self._x[2 * units :]
        self._h_gates, self._h_new = self._h[: 2 * units], self._h[2 * units :]
        self._gates = np.empty(2 * units, np.float32)
        self._r, self._z = self._gates[:units], self._gates[units:]
        self._new = np.empty(units, np.float32)

    def step(self, input_and_1: NDArray[np.float32]) -> None:
        gates, new, h = self._gates, self._new, self.output
        self.of_input.dot(input_and_1, self._x)
        self.of_state.dot(self.output_and_1, self._h)
        np.add(self._x_gates, self._h_gates, gates)
        np.tanh(gates, gates)
        np.multiply(gates, _HALF, gates)
        np.add(gates, _HALF, gates)
        np.multiply(self._r, self._h_new, new)
        np.add(new, self._x_new, new)
        np.tanh(new, new)
        np.subtract(h, new, h)  # h' = n + z (h - n)
        np.multiply(h, self._z, h)
        np.add(h, new, h)


class _Lstm(_Cell):
    def __init__(self, units: int, inputs: int, activation: str) -> None:
        super().__init__(units, inputs, "lstm")
        self.halved = (slice(2 * units), slice(3 * units, None))
        self._tanh, self._gates = np.empty(4 * units, np.float32), np.empty(4 * units, np.float32)
        self._i, self._f, _, self._o = (self._gates[n * units : (n + 1) * units] for n in range(4))
        self._g = self._tanh[2 * units : 3 * units]
        self._c, self._added = np.zeros(units, np.float32), np.empty(units, np.float32)

    def reset(self) -> None:
        super().reset()
        self._c[:] = 0

    def step(self, input_and_1: NDArray[np.float32]) -> None:
        c = self._c
        self.of_input.dot(input_and_1, self._x)
        self.of_state.dot(self.output_and_1, self._h)
        np.add(self._x, self._h, self._tanh)
        np.tanh(self._tanh, self._tanh)
        np.multiply(self._tanh, _HALF, self._gates)  # those of g, too, which nobody reads
        np.add(self._gates, _HALF, self._gates)
        np.multiply(self._f, c, c)
        np.multiply(self._i, self._g, self._added)
        np.add(c, self._added, c)
        np.tanh(c, self.output)
        np.multiply(self.output, self._o, self.output)


_KINDS: dict[str, Callable[[int, int, str], _Cell]] = {"rnn": _Rnn, "gru": _Gru, "lstm": _Lstm}


class RecurrentPolicy(AnyPolicy):
    """Cells and a linear layer; a state goes from step to step until `reset`."""

    def __init__(self, shape: PolicyShape, action_space: ActionSpace) -> None:
        super().__init__(action_space)
        self.shape = shape
        kind = _KINDS[shape.cell or ""]
        self._cells: list[_Cell] = [kind(units, inputs, shape.activation) for units, inputs in shape.cells()]
        self._parameters = np.empty(shape.num_parameters, np.float32)
        (n_out, n_in), *_ = shape.layers()
        self._last = np.zeros((n_out, n_in + 1), np.float32)
        self._output = np.empty(n_out, np.float32)
        self._activate_output = None if shape.output_activation == "identity" else ACTIVATIONS[shape.output_activation]
        self._reference: NDArray[np.float32] | None = None

    def load(
        self,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64] | None = None,
        stdev: NDArray[np.float64] | None = None,
        reference: NDArray[np.float64] | None = None,
    ) -> None:
        """See `AnyPolicy.load`; the normalization is folded into the first cell. The state stays."""
        if np.shape(parameters) != self._parameters.shape:
            raise ValueError(f"expected parameters of shape {self._parameters.shape}, got shape {np.shape(parameters)}")
        self._parameters[:] = parameters
        self._reference = None if reference is None else np.append(reference, 0).astype(np.float32)
        less_reference = mean if mean is None or reference is None else mean - reference
        for i, (cell, own) in enumerate(zip(self._cells, self.shape.split_cells(self._parameters), strict=True)):
            cell.load(own, *((less_reference, stdev) if i == 0 else (None, None)))
        ((weights, bias),) = self.shape.split(self._parameters)
        self._last[:, :-1] = weights
        if bias is not None:
            self._last[:, -1] = bias

    def reset(self) -> None:
        """Set the state of every cell to zero."""
        for cell in self._cells:
            cell.reset()

    def act(self, observation_and_1: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> Any:
        """See `AnyPolicy.act`."""
        x = observation_and_1
        if self._reference is not None:
            x = x - self._reference
        for cell in self._cells:
            cell.step(x)
            x = cell.output_and_1
        output = self._output
        self._last.dot(x, output)
        if self._activate_output is not None:
            self._activate_output(output, output)
        return self._to_action(output, out)


def step_cell(
    shape: PolicyShape, parameters: CellParameters, x: NDArray[np.float32], state: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(output, next state) of a cell, for one input or a batch.

    Args:
        shape: of the network, which says what kind of cell it is.
        parameters: of the cell.
        x: float32 of shape (inputs,) or (n, inputs).
        state: h, or for lstm h and c, float32 of shape (units,) or (n, units), or twice as many units.
    """
    of_input, of_state, bias_of_input, bias_of_state = parameters
    units = of_state.shape[1]
    h, c = state[..., :units], state[..., units:]
    from_x = x @ of_input.T + (0 if bias_of_input is None else bias_of_input)
    from_h = h @ of_state.T + (0 if bias_of_state is None else bias_of_state)
    of_x, of_h = (np.split(each, CELLS[shape.cell or ""], axis=-1) for each in (from_x, from_h))
    if shape.cell == "gru":
        r, z = (sigmoid(of_x[i] + of_h[i], np.empty_like(h)) for i in (0, 1))
        n = np.tanh(of_x[2] + r * of_h[2])
        h = (1 - z) * n + z * h
        return h, h
    if shape.cell == "lstm":
        i, f, o = (sigmoid(of_x[i] + of_h[i], np.empty_like(h)) for i in (0, 1, 3))
        c = f * c + i * np.tanh(of_x[2] + of_h[2])
        h = o * np.tanh(c)
        return h, np.concatenate([h, c], axis=-1)
    h = from_x + from_h
    ACTIVATIONS[shape.activation](h, h)
    return h, h

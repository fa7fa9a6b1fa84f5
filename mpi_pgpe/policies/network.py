"""Linear and multilayer policies on one flat float32 vector, in numpy alone; and what a network is, if recurrent too.

The vector holds, layer after layer, the weight matrix (outputs x inputs, row by row) and the bias, if there are biases:
the order of torch's `parameters_to_vector` for `Sequential(Linear, Tanh, ..., Linear)`. A recurrent cell has weight_ih,
weight_hh, bias_ih and bias_hh, as in torch's RNNCell, GRUCell and LSTMCell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.policies.activations import ACTIVATIONS
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.spaces import ActionSpace

MOST_HIDDEN = 100
"""Hidden layers that a policy may have. What has more is a mistake, or a file that means harm."""

CELLS = {"rnn": 1, "gru": 3, "lstm": 4}
"""Kinds of recurrent cells, with how many rows of their matrices each unit has."""

CELL_ACTIVATIONS = {"rnn": ("tanh", "relu"), "gru": ("tanh",), "lstm": ("tanh",)}
"""What `activation` can be of each; but for the rnn it is a part of the cell."""


class CellParameters(NamedTuple):
    """Of one cell: matrices of shape (rows, inputs) and (rows, units), and biases of shape (rows,) or None."""

    of_input: NDArray[Any]
    of_state: NDArray[Any]
    bias_of_input: NDArray[Any] | None
    bias_of_state: NDArray[Any] | None


@dataclass(frozen=True)
class PolicyShape:
    """Sizes of a policy's input, output and hidden layers; no hidden layer makes it linear.

    `activation` follows each hidden layer, `output_activation` the last one (names of activations.ACTIVATIONS);
    `bias` says whether the layers have biases. With a `cell`, one of CELLS, the hidden layers are such cells, which
    keep a state from step to step; the last layer is linear as always. `activation` is that of an rnn then.
    """

    observation_size: int
    action_size: int
    hidden: tuple[int, ...] = ()
    activation: str = "tanh"
    output_activation: str = "identity"
    bias: bool = True
    cell: str | None = None

    def __str__(self) -> str:
        sizes = "-".join(map(str, [self.observation_size, *self.hidden, self.action_size]))
        kinds = [self.cell] if self.cell else [] if self.hidden else ["linear"]
        kinds += [self.activation] if self.hidden and (self.cell in (None, "rnn")) else []
        return f"{sizes} ({', '.join([*kinds, *self._unusual()])})"

    def _unusual(self) -> list[str]:
        output = [] if self.output_activation == "identity" else [f"{self.output_activation} output"]
        return output + ([] if self.bias else ["no bias"])

    def summarize(self) -> str:
        """The sizes, and what is not as it is by default."""
        hidden = "x".join(map(str, self.hidden)) or "linear"
        kinds = [self.cell] if self.cell else []
        kinds += [self.activation] if self.hidden and self.activation != "tanh" else []
        return ", ".join([f"{self.observation_size}-{hidden}-{self.action_size}", *kinds, *self._unusual()])

    def computes_like(self, other: object) -> bool:
        """Whether the two make the same of a parameter vector: a linear policy has no use for `activation`."""
        if not isinstance(other, PolicyShape):
            return False
        return self == (other if self.hidden else replace(other, activation=self.activation))

    def _sizes(self) -> list[tuple[int, int]]:
        sizes = [self.observation_size, *self.hidden, self.action_size]
        return [(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]

    def cells(self) -> list[tuple[int, int]]:
        """(units, inputs) of each recurrent cell."""
        return self._sizes()[:-1] if self.cell else []

    def layers(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each linear layer; they follow the cells."""
        return self._sizes()[-1:] if self.cell else self._sizes()

    @property
    def state_size(self) -> int:
        """How many numbers the cells keep from step to step; 0 without."""
        return sum(self.hidden) * (2 if self.cell == "lstm" else 1) if self.cell else 0

    @property
    def _size_of_cells(self) -> int:
        gates = CELLS[self.cell] if self.cell else 0
        return sum(gates * units * (inputs + units + 2 * self.bias) for units, inputs in self.cells())

    @property
    def num_parameters(self) -> int:
        """Elements of the parameter vector: the weights and biases of all cells and layers."""
        return self._size_of_cells + sum(n_out * (n_in + self.bias) for n_out, n_in in self.layers())

    def split_cells(self, parameters: NDArray[Any]) -> list[CellParameters]:
        """Views of the vector as the parameters of each cell."""
        views: list[CellParameters] = []
        start = 0
        for units, inputs in self.cells():
            rows = CELLS[self.cell or ""] * units
            arrays: list[NDArray[Any]] = []
            for columns in (inputs, units):
                arrays.append(parameters[start : start + rows * columns].reshape(rows, columns))
                start += rows * columns
            biases: list[NDArray[Any] | None] = [None, None]
            if self.bias:
                biases = [parameters[start : start + rows], parameters[start + rows : start + 2 * rows]]
                start += 2 * rows
            views.append(CellParameters(arrays[0], arrays[1], biases[0], biases[1]))
        return views

    def split(self, parameters: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any] | None]]:
        """Views of the vector, for each linear layer: weights of shape (outputs, inputs), bias (outputs,) or None."""
        views: list[tuple[NDArray[Any], NDArray[Any] | None]] = []
        start = self._size_of_cells
        for n_out, n_in in self.layers():
            middle, end = start + n_out * n_in, start + n_out * (n_in + self.bias)
            views.append((parameters[start:middle].reshape(n_out, n_in), parameters[middle:end] if self.bias else None))
            start = end
        return views


class Policy(AnyPolicy):
    """A linear or multilayer policy.

    Each layer is kept as one matrix [weights | bias] that meets inputs with a 1 appended, so that a
    layer is a single matrix-vector product into an array that is already there.
    """

    def __init__(self, shape: PolicyShape, action_space: ActionSpace) -> None:
        super().__init__(action_space)
        self.shape = shape
        self._matrices = [np.empty((n_out, n_in + 1), np.float32) for n_out, n_in in shape.layers()]
        # Where `load` puts parameters to get them into the matrices: views made once, as a call of numpy costs more
        # between two episodes, when the simulator has taken the processor's caches, than a copy does.
        self._parameters = np.empty(shape.num_parameters, np.float32)
        self._columns: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        for matrix, (weights, bias) in zip(self._matrices, shape.split(self._parameters), strict=True):
            values = np.zeros(len(matrix), np.float32) if bias is None else bias
            self._columns += [(matrix[:, :-1], weights), (matrix[:, -1], values)]
        self._scaled = np.empty(self._columns[0][0].shape)
        # Inputs of the layers after the first, each with its 1, and the last layer's output.
        self._inputs = [np.ones(n + 1, np.float32) for n in shape.hidden]
        outputs = [*(x[:-1] for x in self._inputs), np.empty(shape.action_size, np.float32)]
        self._first = self._matrices[0]
        self._outputs = outputs
        self._rest = list(zip(self._matrices[1:], self._inputs, outputs[:-1], outputs[1:], strict=True))
        self._activate = ACTIVATIONS[shape.activation]
        self._activate_output = None if shape.output_activation == "identity" else ACTIVATIONS[shape.output_activation]
        self._reference: NDArray[np.float32] | None = None

    def load(
        self,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64] | None = None,
        stdev: NDArray[np.float64] | None = None,
        reference: NDArray[np.float64] | None = None,
    ) -> None:
        """See `AnyPolicy.load`; the normalization is folded into the first layer.

        W ((x - mean) / stdev) + b = (W / stdev) x + (b - (W / stdev) mean)
        """
        if np.shape(parameters) != self._parameters.shape:
            raise ValueError(f"expected parameters of shape {self._parameters.shape}, got shape {np.shape(parameters)}")
        self._parameters[:] = parameters
        self._reference = None if reference is None else np.append(reference, 0).astype(np.float32)
        (weights, parameter), *others = self._columns
        for column, values in others:
            column[:] = values
        if mean is None or stdev is None:
            weights[:] = parameter
        else:
            np.divide(parameter, stdev, self._scaled)
            weights[:] = self._scaled
            bias, _ = others[0]
            bias -= self._scaled @ (mean if reference is None else mean - reference)

    def reset(self) -> None:
        """Nothing: it keeps no state."""

    def act(self, observation_and_1: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> Any:
        """See `AnyPolicy.act`."""
        if self._reference is not None:
            observation_and_1 = observation_and_1 - self._reference
        output = self._outputs[0]
        self._first.dot(observation_and_1, output)
        for matrix, inputs, hidden, output in self._rest:
            self._activate(hidden, hidden)
            matrix.dot(inputs, output)
        if self._activate_output is not None:
            self._activate_output(output, output)
        return self._to_action(output, out)

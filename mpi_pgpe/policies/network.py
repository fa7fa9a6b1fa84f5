"""Linear and multilayer policies on one flat float32 vector, in numpy alone.

The vector holds, layer after layer, the weight matrix (outputs x inputs, row by row) and the bias, if there are biases:
the order of torch's `parameters_to_vector` for `Sequential(Linear, Tanh, ..., Linear)`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.fast_numpy import clip
from mpi_pgpe.policies.activations import ACTIVATIONS
from mpi_pgpe.policies.spaces import ActionSpace

MOST_HIDDEN = 100
"""Hidden layers that a policy may have. What has more is a mistake, or a file that means harm."""


@dataclass(frozen=True)
class PolicyShape:
    """Sizes of a policy's input, output and hidden layers; no hidden layer makes it linear.

    `activation` follows each hidden layer, `output_activation` the last one (names of activations.ACTIVATIONS);
    `bias` says whether the layers have biases.
    """

    observation_size: int
    action_size: int
    hidden: tuple[int, ...] = ()
    activation: str = "tanh"
    output_activation: str = "identity"
    bias: bool = True

    def __str__(self) -> str:
        sizes = "-".join(map(str, [self.observation_size, *self.hidden, self.action_size]))
        output = "" if self.output_activation == "identity" else f", {self.output_activation} output"
        return f"{sizes} ({self.activation if self.hidden else 'linear'}{output}{'' if self.bias else ', no bias'})"

    def summarize(self) -> str:
        """The sizes, and what is not as it is by default."""
        hidden = "x".join(map(str, self.hidden)) or "linear"
        unusual = {
            self.activation: bool(self.hidden) and self.activation != "tanh",
            f"{self.output_activation} output": self.output_activation != "identity",
            "no bias": not self.bias,
        }
        return ", ".join(
            [f"{self.observation_size}-{hidden}-{self.action_size}", *(text for text, told in unusual.items() if told)]
        )

    def computes_like(self, other: PolicyShape) -> bool:
        """Whether the two make the same of a parameter vector: a linear policy has no use for `activation`."""
        return self == (other if self.hidden else replace(other, activation=self.activation))

    def layers(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each layer."""
        sizes = [self.observation_size, *self.hidden, self.action_size]
        return [(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]

    @property
    def num_parameters(self) -> int:
        """Elements of the parameter vector: the weights and biases of all layers."""
        return sum(n_out * (n_in + self.bias) for n_out, n_in in self.layers())

    def split(self, parameters: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any] | None]]:
        """Views of the vector as (weights of shape (outputs, inputs), bias of shape (outputs,) or None)."""
        views: list[tuple[NDArray[Any], NDArray[Any] | None]] = []
        start = 0
        for n_out, n_in in self.layers():
            middle, end = start + n_out * n_in, start + n_out * (n_in + self.bias)
            views.append((parameters[start:middle].reshape(n_out, n_in), parameters[middle:end] if self.bias else None))
            start = end
        return views


class Policy:
    """Maps an observation to an action; made once, loaded with many parameter vectors.

    Each layer is kept as one matrix [weights | bias] that meets inputs with a 1 appended, so that a
    layer is a single matrix-vector product into an array that is already there.
    """

    def __init__(self, shape: PolicyShape, action_space: ActionSpace) -> None:
        self.shape = shape
        self.action_space = action_space
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
        self._low, self._high = action_space.low, action_space.high
        self._dtype = None if action_space.dtype == "float32" else np.dtype(action_space.dtype)

    def load(
        self,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64] | None = None,
        stdev: NDArray[np.float64] | None = None,
        reference: NDArray[np.float64] | None = None,
    ) -> None:
        """Take a parameter vector, and fold the normalization (x - mean) / stdev into the first layer.

        W ((x - mean) / stdev) + b = (W / stdev) x + (b - (W / stdev) mean)

        A `reference`, of float32 numbers, is taken from x and mean first: far from zero the two float32 products would
        lose what x - mean has.
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

    def act(self, observation_and_1: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> Any:
        """The action for an observation.

        Args:
            observation_and_1: the observation with a 1 appended, float32, shape (observation_size + 1,),
                contiguous.
            out: where to write a continuous action, shape (action_size,); default a new array, as an environment may
                keep the action that it was given.

        Returns:
            an array of the action space's dtype within the action space's bounds, or an int.
        """
        if self._reference is not None:
            observation_and_1 = observation_and_1 - self._reference
        output = self._outputs[0]
        self._first.dot(observation_and_1, output)
        for matrix, inputs, hidden, output in self._rest:
            self._activate(hidden, hidden)
            matrix.dot(inputs, output)
        if self._activate_output is not None:
            self._activate_output(output, output)
        if self._low is None or self._high is None:
            return int(output.argmax()) + self.action_space.start
        if self._dtype is None:
            return clip(output, self._low, self._high, out)
        action = clip(output, self._low, self._high, output).astype(self._dtype)
        if out is None:
            return action
        out[:] = action
        return out

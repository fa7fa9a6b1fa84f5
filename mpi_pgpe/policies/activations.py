"""What follows a layer of a network, elementwise and in place: the table of activations.

Each is f(x, out) on float32 arrays; `out` may be x itself. The formulas are those of torch.nn: ELU with alpha 1, GELU
with the error function, not its approximation by tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Activation = Callable[[NDArray[Any], NDArray[Any]], Any]

_erf = np.frompyfunc(math.erf, 1, 1)  # numpy has none
_ROOT_HALF = math.sqrt(0.5)


def _relu(x: NDArray[Any], out: NDArray[Any]) -> Any:
    return np.maximum(x, 0, out)


def _elu(x: NDArray[Any], out: NDArray[Any]) -> Any:
    return np.add(np.maximum(x, 0), np.expm1(np.minimum(x, 0)), out)


def _gelu(x: NDArray[Any], out: NDArray[Any]) -> Any:
    return np.multiply(x, 0.5 + 0.5 * _erf(x * _ROOT_HALF).astype(x.dtype), out)


def sigmoid(x: NDArray[Any], out: NDArray[Any]) -> Any:
    """1 / (1 + exp(-x)), computed by tanh: nothing overflows."""
    np.multiply(x, 0.5, out)
    np.tanh(out, out)
    np.multiply(out, 0.5, out)
    return np.add(out, 0.5, out)


HIDDEN_ACTIVATIONS: dict[str, Activation] = {
    "tanh": np.tanh,
    "relu": _relu,
    "elu": _elu,
    "gelu": _gelu,
    "sigmoid": sigmoid,
    "sin": np.sin,
}
"""Those that a hidden layer can have."""

ACTIVATIONS: dict[str, Activation] = {**HIDDEN_ACTIVATIONS, "identity": np.positive}
"""Those that the last layer can have."""

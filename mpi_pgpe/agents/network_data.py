"""The network of a saved agent as plain data, and back."""

from __future__ import annotations

import reprlib
from typing import Any

from mpi_pgpe.policies.activations import ACTIVATIONS
from mpi_pgpe.policies.making import Shape
from mpi_pgpe.policies.network import CELL_ACTIVATIONS, MOST_HIDDEN, PolicyShape
from mpi_pgpe.policies.own import LARGEST, OwnShape

_ACTIVATIONS_OF_3 = frozenset({"tanh", "relu", "identity"})


def to_plain(shape: Shape) -> dict[str, Any]:
    """Plain data; what format version 3 knows nothing of is there where it is needed alone, see `needs_version_4`."""
    if isinstance(shape, OwnShape):
        return _sizes(shape) | {"class": shape.name, "num_parameters": shape.num_parameters}
    network = {
        **_sizes(shape),
        "hidden": list(shape.hidden),
        "activation": shape.activation,
        "output_activation": shape.output_activation,
    }
    if needs_version_4(shape):
        network["bias"] = shape.bias
    return network | ({"cell": shape.cell} if shape.cell else {})


def _sizes(shape: Shape) -> dict[str, Any]:
    return {"observation_size": shape.observation_size, "action_size": shape.action_size}


def needs_version_4(shape: Shape) -> bool:
    """Whether version 3 of the format cannot hold it."""
    if isinstance(shape, OwnShape) or shape.cell is not None or not shape.bias:
        return True
    return not {shape.activation, shape.output_activation} <= _ACTIVATIONS_OF_3


def from_plain(data: dict[str, Any]) -> Shape:
    """The network in the data of a file.

    Raises:
        ValueError: it holds none; or another exception, where something is missing or odd.
    """
    sizes = _size(data["observation_size"]), _size(data["action_size"])
    if "class" in data:
        name = data["class"]
        if type(name) is not str or not 3 <= len(name) <= 1000 or ":" not in name:
            raise ValueError(f"class: expected module:Class, got {reprlib.repr(name)}")
        return OwnShape(*sizes, name, _size(data["num_parameters"]))
    if len(data["hidden"]) > MOST_HIDDEN:
        raise ValueError(f"expected at most {MOST_HIDDEN} hidden layers, got {len(data['hidden'])}")
    shape = PolicyShape(
        *sizes,
        tuple(map(_size, data["hidden"])),
        _activation(data.get("activation", "tanh")),
        _activation(data.get("output_activation", "identity")),
        data.get("bias", True),
        data.get("cell"),
    )
    if type(shape.bias) is not bool:
        raise ValueError(f"bias: expected True or False, got {reprlib.repr(shape.bias)}")
    if shape.cell is not None:
        _check_cell(shape)
    return shape


def _check_cell(shape: PolicyShape) -> None:
    cell: Any = shape.cell
    if type(cell) is not str or cell not in CELL_ACTIVATIONS:
        raise ValueError(f"cell: expected one of {', '.join(CELL_ACTIVATIONS)}, got {reprlib.repr(cell)}")
    if not shape.hidden or shape.activation not in CELL_ACTIVATIONS[cell]:
        raise ValueError(f"expected a hidden layer and an activation that {cell} has, got {shape}")


def _size(value: Any) -> int:
    if type(value) is not int or not 1 <= value < LARGEST:
        raise ValueError(f"expected a whole number from 1 to {LARGEST - 1}, got {reprlib.repr(value)}")
    return value


def _activation(value: Any) -> str:
    if type(value) is not str or value not in ACTIVATIONS:
        raise ValueError(f"expected an activation, one of {', '.join(ACTIVATIONS)}, got {reprlib.repr(value)}")
    return value

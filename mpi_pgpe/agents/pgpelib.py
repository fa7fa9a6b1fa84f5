"""Saved agents of pgpelib (2020): pickled objects, rebuilt here without pgpelib, gym or torch.

Such a file names classes of pgpelib, gym, numpy and torch, and holds further pickles inside the bytes of
torch storages. All of it is read as data (safe_pickle.py): the names below are understood, any other is
refused, and none is imported or called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.plain_data import copy_plain_data
from mpi_pgpe.agents.safe_pickle import BadPickle, Call, Name, Reference, load
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace

POLICIES = frozenset({"pgpelib.policies.LinearPolicy", "pgpelib.policies.MLPPolicy"})

_RUNNING_STAT = "pgpelib.runningstat.RunningStat"
_BOX, _DISCRETE = "gym.spaces.box.Box", "gym.spaces.discrete.Discrete"
_LINEAR, _SEQUENTIAL = "torch.nn.modules.linear.Linear", "torch.nn.modules.container.Sequential"
_ACTIVATIONS = {"torch.nn.modules.activation.Tanh": "tanh", "torch.nn.modules.activation.ReLU": "relu"}
_PARAMETER, _TENSOR = "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2"
_STORAGE = "torch.storage._load_from_bytes"
_ARRAYS = frozenset(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core"))
_SCALARS = frozenset(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core"))
_DICTIONARY = "collections.OrderedDict"
_NAMES = frozenset({
    *POLICIES, _RUNNING_STAT, _BOX, _DISCRETE, _LINEAR, _SEQUENTIAL, *_ACTIVATIONS, _PARAMETER, _TENSOR, _STORAGE,
    *_ARRAYS, *_SCALARS, _DICTIONARY, "numpy.dtype", "numpy.ndarray", "builtins.set",
    # random generators of spaces, which nothing here looks at
    "numpy.random._pickle.__randomstate_ctor", "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937", "numpy.random.__RandomState_ctor",
})  # fmt: skip

_DTYPES = {"f4": "<f4", "f8": "<f8", "i4": "<i4", "i8": "<i8", "b1": "|b1"}
_STORAGES = {"torch.FloatStorage": "<f4", "torch.DoubleStorage": "<f8"}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save before its zip format
_VARIANCE_FLOOR = 1e-2  # of pgpelib
_MOST_LAYERS = 100
_LARGEST_NOTE = 2**20  # bytes of an array among them
_STORAGE_OPCODES = 1000  # of each of the five short pickles that a storage begins with
_LARGEST_HEADER = 2**16  # bytes of these; layers may share a storage, whose header is read for each of them


def read_pgpelib(content: bytes) -> dict[str, Any]:
    """The fields of an `agents.Agent`, from the content of a saved agent of pgpelib.

    Raises:
        BadPickle, or what else a damaged file brings about.
    """
    value, end = load(content, _NAMES)
    if end != len(content):
        raise BadPickle("damaged: something follows the end")
    policy = _made_by(value, POLICIES)
    state = _dictionary(policy.state)
    layers = _layers(state["_policy"], len(content) // 4)
    shape = PolicyShape(
        layers["matrices"][0].shape[1],
        layers["matrices"][-1].shape[0],
        tuple(len(matrix) for matrix in layers["matrices"][:-1]),
        layers["activation"],
        layers["output_activation"],
    )
    parameters = np.empty(shape.num_parameters, np.float32)
    pairs = zip(shape.split(parameters), layers["matrices"], layers["biases"], strict=True)
    for (weights, bias), matrix, given_bias in pairs:
        assert bias is not None  # a PolicyShape has biases unless it says otherwise
        weights[:], bias[:] = matrix, given_bias
    return {
        "parameters": parameters,
        "shape": shape,
        "action_space": _action_space(state["_action_space"], shape.action_size),
        "moments": _moments(state["_main_obs_stats"], shape.observation_size),
        "metadata": {
            "env_name": _text(state["_env_name"]),
            "env_config": copy_plain_data(_dictionary(state["_env_config"]), _plain),
            "notes": copy_plain_data(state["notes"], _plain),
            "origin": "pgpelib",
        },
    }


def _made_by(value: Any, makers: Any) -> Call:
    if type(value) is not Call or value.maker not in makers:
        got = value.maker if type(value) is Call else type(value).__name__
        raise BadPickle(f"expected {' or '.join(sorted(makers))}, got {got}")
    return value


def _dictionary(value: Any) -> dict[Any, Any]:
    if type(value) is Call and value.maker == _DICTIONARY:
        return value.items
    if type(value) is not dict:
        raise BadPickle(f"expected a dictionary, got {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise BadPickle(f"expected text, got {type(value).__name__}")
    return value


def _integer(value: Any) -> int:
    value = _plain(value) if type(value) is Call else value
    if type(value) is not int or abs(value) >= 2**63:
        raise BadPickle(f"expected an integer, got {type(value).__name__}")
    return value


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays, and dictionaries, in notes and configurations."""
    if type(value) is Call and value.maker in _SCALARS:
        dtype, content = value.arguments
        return _numbers(dtype, content, 1)[0].item()
    if type(value) is Call and value.maker in _ARRAYS:
        if len(value.state[-1]) > _LARGEST_NOTE:
            raise BadPickle(f"expected arrays of at most {_LARGEST_NOTE} bytes in notes")
        return _array(value).tolist()
    return _dictionary(value)


# -- numpy ------------------------------------------------------------------------------------------------


def _array(value: Any) -> NDArray[Any]:
    call = _made_by(value, _ARRAYS)
    _, shape, dtype, column_order, content = call.state
    shape = tuple(_integer(n) for n in shape)
    # A dimension of 0 beside others would make a list of any length out of no bytes at all.
    if len(shape) > 8 or (min(shape, default=1) < 1 and shape != (0,)):
        raise BadPickle(f"expected the shape of an array, got {shape}")
    return _numbers(dtype, content, math.prod(shape)).reshape(shape, order="F" if column_order else "C")


def _numbers(dtype: Any, content: Any, count: int) -> NDArray[Any]:
    call = _made_by(dtype, {"numpy.dtype"})
    kind = _DTYPES.get(_text(call.arguments[0]))
    if kind is None or call.state[1] not in ("<", "|"):
        raise BadPickle("expected numbers of 4 or 8 bytes, little-endian")
    if type(content) is not bytes or len(content) != count * np.dtype(kind).itemsize:
        raise BadPickle(f"expected the bytes of {count} numbers")
    return np.frombuffer(content, kind)


# -- torch ------------------------------------------------------------------------------------------------


def _layers(module: Any, most_numbers: int) -> dict[str, Any]:
    """Matrices, biases and activations of a Linear, or of a Sequential of Linear, Tanh and ReLU."""
    call = _made_by(module, {_LINEAR, _SEQUENTIAL})
    modules = [call] if call.maker == _LINEAR else list(_dictionary(call.state["_modules"]).values())
    if len(modules) > _MOST_LAYERS:
        raise BadPickle(f"expected at most {_MOST_LAYERS} layers, got {len(modules)}")
    matrices: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    after: list[str] = []  # the activation after each matrix
    for item in modules:
        layer = _made_by(item, {_LINEAR, *_ACTIVATIONS})
        if layer.maker != _LINEAR:
            if not after or after[-1] != "identity":
                raise BadPickle("expected an activation after each linear layer at most")
            after[-1] = _ACTIVATIONS[layer.maker]
            continue
        arrays = _dictionary(layer.state["_parameters"])
        matrix = _parameter(arrays["weight"], 2, most_numbers)
        most_numbers -= matrix.size
        bias = np.zeros(len(matrix)) if arrays["bias"] is None else _parameter(arrays["bias"], 1, most_numbers)
        # numpy would repeat a single row, column or number as often as is asked for.
        if len(bias) != len(matrix) or (matrices and matrix.shape[1] != len(matrices[-1])):
            raise BadPickle(f"expected layers that fit together, got {matrix.shape} with {len(bias)} biases among them")
        matrices.append(matrix)
        biases.append(bias)
        after.append("identity")
    hidden = set(after[:-1]) or {"tanh"}
    if not matrices or len(hidden) > 1:
        raise BadPickle("expected linear layers with one activation between them")
    return {"matrices": matrices, "biases": biases, "activation": hidden.pop(), "output_activation": after[-1]}


def _parameter(value: Any, dimensions: int, most_numbers: int) -> NDArray[Any]:
    tensor = _made_by(_made_by(value, {_PARAMETER}).arguments[0], {_TENSOR})
    storage, offset, size, stride = tensor.arguments[:4]
    offset, size, stride = _integer(offset), tuple(map(_integer, size)), tuple(map(_integer, stride))
    # The lengths first: the product of many large integers takes minutes.
    if len(size) != dimensions or len(stride) != dimensions:
        raise BadPickle(f"expected a tensor of {dimensions} dimensions, got {len(size)}")
    if not 0 < math.prod(size) <= most_numbers or min(*size, 1) < 1 or min(offset, *stride) < 0:
        raise BadPickle(f"expected a tensor within its file, got size {size}")
    numbers = _storage(storage)
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= len(numbers):
        raise BadPickle("expected a tensor within its storage")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False)  # within: checked above


def _storage(value: Any) -> NDArray[Any]:
    """The numbers of a torch storage: what torch.save wrote before its zip format, one storage alone."""
    (content,) = _made_by(value, {_STORAGE}).arguments
    if type(content) is not bytes:
        raise BadPickle("expected the bytes of a storage")
    position, parts = 0, []
    for _ in range(5):
        part, position = load(content[:_LARGEST_HEADER], _STORAGES, most_opcodes=_STORAGE_OPCODES, start=position)
        parts.append(part)
    magic, protocol, system, reference, keys = parts
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or _dictionary(system)["little_endian"] is not True:
        raise BadPickle("expected a storage as torch.save wrote it in 2020, little-endian")
    if type(reference) is not Reference:
        raise BadPickle("expected a storage, got something else inside its bytes")
    what, kind, key, _, count = reference.id[:5]
    # Types first: to compare or to hash what a file holds can take for ever.
    if type(kind) is not Name or type(keys) is not list or [_text(what), *map(_text, keys)] != ["storage", _text(key)]:
        raise BadPickle("expected a single storage")
    dtype = np.dtype(_STORAGES[kind])
    length, position = content[position : position + 8], position + 8
    if int.from_bytes(length, "little") != _integer(count) or len(content) - position != count * dtype.itemsize:
        raise BadPickle(f"expected {count} numbers in a storage, got {len(content) - position} bytes")
    return np.frombuffer(content, dtype, offset=position)


# -- pgpelib and gym --------------------------------------------------------------------------------------


def _moments(value: Any, size: int) -> Moments | None:
    if value is None:
        return None
    state: Mapping[str, Any] = _dictionary(_made_by(value, {_RUNNING_STAT}).state)
    count = _integer(state["_count"])
    if count == 0:
        return None  # pgpelib normalizes nothing before the first observation
    total, squares = _array(state["_sum"]), _array(state["_sumsq"])
    if count < 0 or total.shape != (size,) or squares.shape != (size,):
        raise BadPickle(f"expected the normalization of {size} observations, got {total.shape} and {squares.shape}")
    # The mean and the variance as pgpelib computed them, in the precision of its sums (float32): that of
    # float64 would scale observations of a large mean otherwise than the policy was trained with.
    with np.errstate(all="raise", under="ignore"):
        mean = total / total.dtype.type(count)
        variance = np.maximum(squares / total.dtype.type(count) - np.square(mean), total.dtype.type(_VARIANCE_FLOOR))
    mean, variance = mean.astype(np.float64), np.sqrt(variance).astype(np.float64) ** 2
    return Moments(size, count, mean * count, (variance + mean**2) * count)


def _action_space(value: Any, size: int) -> ActionSpace:
    call = _made_by(value, {_BOX, _DISCRETE})
    state = _dictionary(call.state)
    if call.maker == _DISCRETE:
        found = ActionSpace(_integer(state["n"]), start=_integer(state.get("start", 0)))
    else:
        low, high = (_array(state[name]).ravel() for name in ("low", "high"))
        if low.shape != high.shape:
            raise BadPickle("expected as many lower as upper bounds of actions")
        if low.dtype.kind != "f" or high.dtype != low.dtype:
            low, high = low.astype(np.float32), high.astype(np.float32)
        found = ActionSpace.box(low, high)
    if found.size != size:
        raise BadPickle(f"expected an action space of size {size}, as the policy's output, got {found.size}")
    return found

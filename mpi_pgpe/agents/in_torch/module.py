"""The policy of an agent as a torch module."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.in_torch.cells import CellLayer, LstmLayer, Recurrent
from mpi_pgpe.agents.in_torch.layers import ACTIVATIONS, CASTS, ArgmaxLayer, ClipLayer, ObsNormLayer, make_action_layer
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.own import Own, OwnPolicy, OwnShape
from mpi_pgpe.policies.spaces import ActionSpace

Module = nn.Module
"""What `torch_module` gives."""


def _make_cells(shape: PolicyShape, parameters: NDArray[Any]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for (units, inputs), own in zip(shape.cells(), shape.split_cells(parameters), strict=True):
        how: dict[str, Any] = {"bias": shape.bias, "device": "meta", "dtype": torch.float32}
        if shape.cell == "rnn":
            cell: nn.RNNCellBase = nn.RNNCell(inputs, units, nonlinearity=shape.activation, **how)
        else:
            cell = (nn.GRUCell if shape.cell == "gru" else nn.LSTMCell)(inputs, units, **how)
        cell = cell.to_empty(device="cpu")
        _copy((cell.weight_ih, own.of_input), (cell.weight_hh, own.of_state))
        if own.bias_of_input is not None and own.bias_of_state is not None:
            _copy((cell.bias_ih, own.bias_of_input), (cell.bias_hh, own.bias_of_state))
        layers.append(LstmLayer(cell) if isinstance(cell, nn.LSTMCell) else CellLayer(cell))
    return layers


def _copy(*pairs: tuple[torch.Tensor, NDArray[Any]]) -> None:
    with torch.no_grad():
        for own, values in pairs:
            own.copy_(_tensor(values))


def torch_module(agent: Agent, norm_layer: bool, clip_layer: bool, own: Own | None = None) -> Module:
    """See `restore.to_torch_module`; `own` is the class of a network of one's own."""
    before: list[nn.Module] = []
    if norm_layer and agent.moments is not None:
        before.append(ObsNormLayer(_tensor(agent.moments.mean()), _tensor(agent.moments.stdev())))
    after = _make_action_layers(agent.action_space) if clip_layer else []
    shape = agent.shape
    if isinstance(shape, OwnShape) or own is not None:
        return nn.Sequential(*before, _make_own(agent, own), *after)
    layers: list[nn.Module] = []
    for weights, bias in shape.split(agent.parameters):
        # Made without memory first, so that nothing draws from torch's random generator.
        linear = nn.Linear(
            weights.shape[1], weights.shape[0], bias=bias is not None, device="meta", dtype=torch.float32
        ).to_empty(device="cpu")
        _copy((linear.weight, weights))
        if bias is not None:
            _copy((linear.bias, bias))
        layers += [linear, ACTIVATIONS[shape.activation]()]
    layers.pop()
    if shape.output_activation != "identity":
        layers.append(ACTIVATIONS[shape.output_activation]())
    if not shape.cell:
        return nn.Sequential(*before, *layers, *after)
    units = list(shape.hidden)
    sizes = [2 * n if shape.cell == "lstm" else n for n in units]
    cells = _make_cells(shape, agent.parameters)
    return Recurrent(nn.Sequential(*before), cells, nn.Sequential(*layers, *after), units, sizes)


def _make_action_layers(space: ActionSpace) -> list[nn.Module]:
    if space.low is None or space.high is None:
        return [ArgmaxLayer(space.start)]
    layers: list[nn.Module] = [ClipLayer(_tensor(space.low), _tensor(space.high))]
    if space.layout is not None:
        layers.append(make_action_layer(space.layout, _tensor(space.low)))
    elif space.dtype in CASTS:
        layers.append(CASTS[space.dtype]())
    return layers


def _make_own(agent: Agent, own: Own | None) -> nn.Module:
    policy = make_policy(agent.shape, agent.action_space, own)
    policy.load(agent.parameters)
    policy.reset()
    module = getattr(policy.network, "module", None) if isinstance(policy, OwnPolicy) else None
    if not isinstance(module, nn.Module):
        raise WrongInput(
            f"policy: the agent's network {agent.shape} is no torch.nn.Module; to_numpy_policy computes with it"
        )
    return module


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32, device="cpu")

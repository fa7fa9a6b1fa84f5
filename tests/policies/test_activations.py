"""Networks of every activation, with and without biases, against torch's own functions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from mpi_pgpe.policies.activations import ACTIVATIONS, HIDDEN_ACTIVATIONS
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

TORCHS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": nn.functional.elu,
    "gelu": nn.functional.gelu,
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "identity": lambda x: x,
}
BOUNDS = ActionSpace(2, np.full(2, -99, np.float32), np.full(2, 99, np.float32))


def test_there_is_a_torch_function_for_each():
    assert set(TORCHS) == set(ACTIVATIONS) == {*HIDDEN_ACTIVATIONS, "identity"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_it_is_torchs_function(name):
    with np.errstate(all="raise", under="ignore"):
        x = np.float32([-1e30, -200, -88.8, -9, -3, -1, -1e-3, 0, 1e-3, 0.5, 1, 2, 5, 17, 200, 1e4])
        if name == "sin":
            x = x[1:]
        expected = TORCHS[name](torch.from_numpy(x.astype(np.float64))).numpy()
        out = np.empty_like(x)
        ACTIVATIONS[name](x, out)
        np.testing.assert_allclose(out, expected, rtol=1e-6, atol=2e-7)
        ACTIVATIONS[name](x, x)
        np.testing.assert_array_equal(x, out)  # in place
        assert x.dtype == np.float32


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize("hidden", HIDDEN_ACTIVATIONS)
def test_a_network_computes_what_torchs_does(hidden, output, bias):
    shape = PolicyShape(5, 2, (7, 4), hidden, output, bias)
    layers = nn.ModuleList(nn.Linear(n_in, n_out, bias=bias) for n_in, n_out in ((5, 7), (7, 4), (4, 2)))
    rng = np.random.default_rng(3)
    parameters = rng.normal(0, 0.8, shape.num_parameters).astype(np.float32)
    assert len(parameters_to_vector(layers.parameters())) == shape.num_parameters
    vector_to_parameters(torch.from_numpy(parameters.copy()), layers.parameters())
    layers.double()
    mean, stdev = rng.normal(0, 2, 5), rng.uniform(0.3, 3, 5)
    policy = Policy(shape, BOUNDS)
    policy.load(parameters[::-1].copy(), mean + 1, stdev)  # nothing stays of it
    policy.load(parameters, mean, stdev)
    for observation in rng.normal(1, 2, (20, 5)).astype(np.float32):
        x = torch.from_numpy((observation - mean) / stdev)
        with torch.no_grad():
            for layer, name in zip(layers, (hidden, hidden, output), strict=True):
                x = TORCHS[name](layer(x))
        np.testing.assert_allclose(policy.act(np.append(observation, np.float32(1))), x.numpy(), rtol=1e-4, atol=1e-5)

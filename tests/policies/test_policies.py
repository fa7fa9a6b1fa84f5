"""The numpy policy against the same network in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

OBSERVATIONS, ACTIONS = 11, 4
BOUNDS = ActionSpace(ACTIONS, np.float32([-1, -0.2, -np.inf, 0]), np.float32([1, 0.3, np.inf, 0.5]))

every_shape = pytest.mark.parametrize("hidden", [(), (8,), (16, 5)], ids=["linear", "one hidden", "two hidden"])


def network(hidden: tuple[int, ...]) -> nn.Sequential:
    layers, width = [], OBSERVATIONS
    for size in hidden:
        layers += [nn.Linear(width, size), nn.Tanh()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, ACTIONS))


def random_case(hidden: tuple[int, ...], normalized: bool):
    """(parameters, observations, mean, stdev, torch's outputs in float64) of one random network."""
    rng = np.random.default_rng(len(hidden))
    net = network(hidden)
    shape = PolicyShape(OBSERVATIONS, ACTIONS, hidden)
    assert shape.num_parameters == len(parameters_to_vector(net.parameters()))
    parameters = rng.normal(0, 0.7, shape.num_parameters).astype(np.float32)
    vector_to_parameters(torch.from_numpy(parameters.copy()), net.parameters())
    mean, stdev = (rng.normal(0, 2, OBSERVATIONS), rng.uniform(0.1, 5, OBSERVATIONS)) if normalized else (None, None)
    observations = rng.normal(0, 2, (200, OBSERVATIONS)).astype(np.float32)
    inputs = observations if mean is None else (observations.astype(np.float64) - mean) / stdev
    with torch.no_grad():
        outputs = net.double()(torch.from_numpy(inputs.astype(np.float64))).numpy()
    return shape, parameters, observations, mean, stdev, outputs


def with_1(observation: np.ndarray) -> np.ndarray:
    return np.append(observation, np.float32(1))


@every_shape
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
def test_continuous_actions_equal_torchs(hidden, normalized):
    shape, parameters, observations, mean, stdev, outputs = random_case(hidden, normalized)
    policy = Policy(shape, BOUNDS)
    policy.load(parameters, mean, stdev)
    expected = np.clip(outputs, BOUNDS.low, BOUNDS.high)
    assert (expected != outputs).any()
    for observation, action in zip(observations, expected, strict=True):
        got = policy.act(with_1(observation))
        assert got.dtype == np.float32
        # float32 sums against float64 ones; the normalization folds numbers up to 100 into the weights
        np.testing.assert_allclose(got, action, rtol=1e-4, atol=2e-4)
        assert (BOUNDS.low <= got).all()
        assert (got <= BOUNDS.high).all()


@every_shape
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
@pytest.mark.parametrize("start", [0, -2, 5])
def test_discrete_actions_equal_torchs(hidden, normalized, start):
    shape, parameters, observations, mean, stdev, outputs = random_case(hidden, normalized)
    policy = Policy(shape, ActionSpace(ACTIONS, start=start))
    policy.load(parameters, mean, stdev)
    best_two = np.sort(outputs, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > 1e-3  # no tie within rounding
    assert clear.sum() > 150
    actions = [policy.act(with_1(observation)) for observation in observations[clear]]
    assert all(type(action) is int for action in actions)
    assert actions == (outputs[clear].argmax(axis=1) + start).tolist()
    assert len(set(actions)) == ACTIONS


@every_shape
def test_each_action_is_an_array_of_its_own(hidden):
    shape, parameters, observations, *_ = random_case(hidden, normalized=False)
    policy = Policy(shape, BOUNDS)
    policy.load(parameters)
    first = policy.act(with_1(observations[0]))
    kept = first.copy()
    policy.act(with_1(observations[1]))
    np.testing.assert_array_equal(first, kept)
    first[:] = 99  # an environment may write on it
    np.testing.assert_array_equal(policy.act(with_1(observations[0])), kept)


@every_shape
def test_a_policy_is_what_was_loaded_last(hidden):
    shape, parameters, observations, *_ = random_case(hidden, normalized=False)
    once, twice = Policy(shape, BOUNDS), Policy(shape, BOUNDS)
    twice.load(parameters[::-1].copy(), np.ones(OBSERVATIONS), np.full(OBSERVATIONS, 2.0))
    twice.act(with_1(observations[1]))
    before = parameters.copy()
    for policy in (once, twice):
        policy.load(parameters)
    np.testing.assert_array_equal(parameters, before)
    for observation in observations:
        np.testing.assert_array_equal(once.act(with_1(observation)), twice.act(with_1(observation)))


@pytest.mark.parametrize("shape", [(7,), (9,), (1,), (1, 8), ()])
def test_parameters_of_another_shape_are_refused(shape):
    policy = Policy(PolicyShape(3, 2), ActionSpace(2, np.full(2, -1, np.float32), np.ones(2, np.float32)))
    with pytest.raises(ValueError, match=r"expected parameters of shape \(8,\), got shape"):
        policy.load(np.zeros(shape, np.float32))

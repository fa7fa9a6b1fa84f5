"""Recurrent policies against torch's cells, and that nothing is left of an episode after its end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from mpi_pgpe import envs
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.network import CELLS, PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.training.rollout import Rollout

pytestmark = pytest.mark.serial

OBSERVATIONS, ACTIONS, STEPS = 5, 3, 40
BOUNDS = ActionSpace(ACTIONS, np.float32([-1, -0.2, -np.inf]), np.float32([1, 0.3, np.inf]))
KINDS = {
    "rnn": PolicyShape(OBSERVATIONS, ACTIONS, (7,), cell="rnn"),
    "rnn relu": PolicyShape(OBSERVATIONS, ACTIONS, (4,), "relu", cell="rnn"),
    "gru": PolicyShape(OBSERVATIONS, ACTIONS, (7,), cell="gru"),
    "lstm": PolicyShape(OBSERVATIONS, ACTIONS, (7,), cell="lstm"),
    "three gru": PolicyShape(OBSERVATIONS, ACTIONS, (6, 3, 4), output_activation="tanh", cell="gru"),
    "two lstm, no bias": PolicyShape(OBSERVATIONS, ACTIONS, (6, 4), bias=False, cell="lstm"),
    "rnn, no bias": PolicyShape(OBSERVATIONS, ACTIONS, (6, 4), bias=False, cell="rnn"),
}
every_kind = pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)


def torchs(shape: PolicyShape) -> nn.Sequential:
    """The cells and the last layer, which nobody runs as a Sequential."""
    make = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[shape.cell or ""]
    more = {"nonlinearity": shape.activation} if shape.cell == "rnn" else {}
    sizes = itertools.pairwise([OBSERVATIONS, *shape.hidden])
    cells = [make(n_in, n_out, bias=shape.bias, **more) for n_in, n_out in sizes]
    return nn.Sequential(*cells, nn.Linear(shape.hidden[-1], ACTIONS, bias=shape.bias))


def outputs(shape: PolicyShape, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """What torch makes of a sequence, in float64."""
    net = torchs(shape)
    assert len(parameters_to_vector(net.parameters())) == shape.num_parameters
    vector_to_parameters(torch.from_numpy(parameters.copy()), net.parameters())
    *cells, last = net.double()
    states, found = [None] * len(cells), []
    with torch.no_grad():
        for x in torch.from_numpy(inputs):
            for i, cell in enumerate(cells):
                states[i] = cell(x, states[i])
                x = states[i][0] if shape.cell == "lstm" else states[i]  # noqa: PLW2901
            found.append(last(x).numpy())
    return np.array(found) if shape.output_activation == "identity" else np.tanh(np.array(found))


def random_case(shape: PolicyShape) -> tuple[np.ndarray, np.ndarray]:
    """(parameters, observations)."""
    rng = np.random.default_rng(3)
    parameters = rng.normal(0, 0.5, shape.num_parameters).astype(np.float32)
    return parameters, rng.normal(0, 2, (STEPS, OBSERVATIONS)).astype(np.float32)


def with_1(observation: np.ndarray) -> np.ndarray:
    return np.append(observation, np.float32(1))


@every_kind
@pytest.mark.parametrize("normalized", ["no", "yes", "around a reference"])
def test_a_sequence_of_actions_equals_torchs(shape, normalized):
    parameters, observations = random_case(shape)
    rng = np.random.default_rng(4)
    policy, normalization, inputs = make_policy(shape, BOUNDS), (), observations.astype(np.float64)
    if normalized != "no":
        mean, stdev = rng.normal(0, 2, OBSERVATIONS), rng.uniform(0.5, 5, OBSERVATIONS)
        normalization = mean, stdev
        if normalized != "yes":
            reference = np.array([1e6, 0, -3e5, 0, 64.0])
            observations = observations + reference.astype(np.float32)
            normalization = mean + reference, stdev, reference
            inputs = observations - reference
        inputs = (inputs - mean) / stdev
    policy.load(parameters, *normalization)
    expected = outputs(shape, parameters, inputs)
    assert np.ptp(expected, axis=0).min() > 0.01
    policy.reset()
    got = np.array([policy.act(with_1(observation)) for observation in observations])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.clip(expected, BOUNDS.low, BOUNDS.high), rtol=1e-3, atol=2e-4)


@every_kind
def test_a_reset_forgets_all_and_nothing_else_does(shape):
    parameters, observations = random_case(shape)
    policy, fresh = make_policy(shape, BOUNDS), make_policy(shape, BOUNDS)
    policy.load(parameters)
    fresh.load(parameters)
    first = [policy.act(with_1(each)).tobytes() for each in observations]
    going_on = [policy.act(with_1(each)).tobytes() for each in observations]
    assert first[0] != going_on[0]
    policy.reset()
    assert [policy.act(with_1(each)).tobytes() for each in observations] == first
    assert [fresh.act(with_1(each)).tobytes() for each in observations] == first


@every_kind
def test_each_action_is_an_array_of_its_own(shape):
    parameters, observations = random_case(shape)
    policy = make_policy(shape, BOUNDS)
    policy.load(parameters)
    first = policy.act(with_1(observations[0]))
    kept = first.copy()
    policy.act(with_1(observations[1]))
    np.testing.assert_array_equal(first, kept)
    policy.reset()
    first[:] = 99
    np.testing.assert_array_equal(policy.act(with_1(observations[0])), kept)


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_of_another_shape_are_refused(cell):
    shape = PolicyShape(3, 2, (4,), cell=cell)
    policy = make_policy(shape, ActionSpace(2, np.full(2, -1, np.float32), np.ones(2, np.float32)))
    with pytest.raises(ValueError, match=rf"expected parameters of shape \({shape.num_parameters},\), got shape"):
        policy.load(np.zeros(shape.num_parameters + 1, np.float32))


class Ended(Exception):
    pass


def end() -> None:
    raise Ended


@pytest.mark.parametrize("cell", CELLS)
def test_an_episode_is_itself_whatever_ran_before_it(cell):
    """Three hundred episodes forwards, backwards and after some that were ended in their middle: all the same bits."""
    env = envs.make("odd_envs:Walk", {})
    shape = PolicyShape(env.observation_size, env.action_space.size, (6,), cell=cell)
    policy, rollout = make_policy(shape, env.action_space), Rollout(env)
    policy.load(np.random.default_rng(0).normal(0, 1, shape.num_parameters).astype(np.float32))
    seeds = range(300)
    forwards = {seed: rollout.run(policy, seed).total_reward for seed in seeds}
    backwards = {seed: rollout.run(policy, seed).total_reward for seed in reversed(seeds)}
    interrupted = {}
    for seed in seeds:
        with pytest.raises(Ended):
            Rollout(env).run(policy, seed + 1000, between_steps=end)
        interrupted[seed] = rollout.run(policy, seed).total_reward
    assert forwards == backwards == interrupted
    assert len(set(forwards.values())) == len(seeds)
    env.close()

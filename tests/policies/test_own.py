"""Networks of one's own: what they compute, what is refused, and that nothing of an episode is left."""

from __future__ import annotations

import os
import random
import re
import sys

import numpy as np
import own_modules
import own_networks
import pytest
import torch
from places import HELPERS, python_path
from torch.nn.utils import vector_to_parameters

from mpi_pgpe import envs
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.policies.own import OwnPolicy
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.training.rollout import Rollout

pytestmark = pytest.mark.serial

BOX = ActionSpace(2, np.float32([-1, -5]), np.float32([0.5, np.inf]))
RNG = np.random.default_rng(0)
OBSERVATIONS = RNG.normal(0, 2, (20, 3)).astype(np.float32)
MEAN, STDEV = RNG.normal(0, 2, 3), RNG.uniform(0.5, 2, 3)


def with_1(observation: np.ndarray) -> np.ndarray:
    return np.append(observation, np.float32(1))


def make(own, space=BOX, size=3) -> OwnPolicy:
    return OwnPolicy(own, f"{own.__module__}:{getattr(own, '__name__', '')}", size, space)


def loaded(own, *normalization, **how) -> tuple[OwnPolicy, np.ndarray]:
    policy = make(own, **how)
    parameters = np.random.default_rng(1).normal(0, 0.5, policy.shape.num_parameters).astype(np.float32)
    policy.load(parameters, *normalization)
    policy.reset()
    return policy, parameters


@pytest.mark.parametrize("reference", [None, np.array([1e6, 0, -3e5])])
def test_in_numpy_it_gets_normalized_observations_and_its_outputs_are_clipped(reference):
    offset = np.zeros(3) if reference is None else reference
    policy, parameters = loaded(own_networks.Leaks, MEAN + offset, STDEV, reference)
    assert policy.shape.num_parameters == 12
    assert (policy.shape.observation_size, policy.shape.action_size) == (3, 2)
    weights, trace = parameters.reshape(2, 6).astype(np.float64), np.zeros(3)
    for observation in OBSERVATIONS:
        seen = (observation + offset).astype(np.float32)
        x = (seen - offset - MEAN) / STDEV
        trace = 0.8 * trace + x
        expected = np.clip(weights @ np.append(x, trace), BOX.low, BOX.high)
        got = policy.act(with_1(seen))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_in_torch_parameters_are_in_the_order_of_vector_to_parameters():
    policy, parameters = loaded(own_modules.Net, MEAN, STDEV)
    torch.manual_seed(5)  # which must not matter: its buffer is drawn from another
    module = own_modules.Net(3, 2).eval()
    vector_to_parameters(torch.from_numpy(parameters), module.parameters())
    module.features.copy_(policy.network.module.features)
    for observation in OBSERVATIONS:
        x = torch.from_numpy(((observation - MEAN) / STDEV).astype(np.float32))
        expected = np.clip(module(x).detach().numpy(), BOX.low, BOX.high)
        np.testing.assert_allclose(policy.act(with_1(observation)), expected, rtol=1e-5, atol=1e-6)


def test_of_discrete_actions_the_largest_output_is_taken():
    policy, _ = loaded(own_networks.Leaks, space=ActionSpace(2, start=3))
    same, _ = loaded(own_networks.Leaks, space=ActionSpace.box(*np.float32([[-99, -99], [99, 99]])))
    actions = [policy.act(with_1(each)) for each in OBSERVATIONS]
    assert actions == [int(same.act(with_1(each)).argmax()) + 3 for each in OBSERVATIONS]
    assert len(set(actions)) == 2


@pytest.mark.parametrize("own", [own_networks.Draws, own_modules.Net])
def test_what_it_draws_when_it_is_made_is_the_same_in_every_process(own):
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        random.seed(seed)
        torch.manual_seed(seed)
        policy = make(own)
        found.append(getattr(policy.network, "scale", None) or policy.network.module.features.tolist())
        after = np.random.uniform(), random.random(), torch.rand(1).item()
        np.random.seed(seed)
        random.seed(seed)
        torch.manual_seed(seed)
        assert after == (np.random.uniform(), random.random(), torch.rand(1).item())
    assert found[0] == found[1]


@pytest.mark.parametrize("own", [own_networks.Leaks, own_networks.Draws, own_modules.Remembers])
@pytest.mark.parametrize("name", ["odd_envs:Walk", "Pendulum-v1"])  # of which the second seeds nothing but itself
def test_an_episode_is_itself_whatever_ran_before_it(own, name):
    env = envs.make(name, {})
    policy, _ = loaded(own, space=env.action_space, size=env.observation_size)
    rollout, seeds = Rollout(env, 30), range(100)
    forwards = {seed: rollout.run(policy, seed).total_reward for seed in seeds}
    backwards = {seed: rollout.run(policy, seed).total_reward for seed in reversed(seeds)}
    assert forwards == backwards
    assert len(set(forwards.values())) == len(seeds)
    env.close()


def refusal(own) -> str:
    with pytest.raises(WrongInput) as refused:
        make(own)
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (own_networks.TakesNothing, "cannot be made for 3 observations and 2 outputs: TypeError: .*; expected Class"),
        (own_networks.NoReset, "cannot be made for 3 observations"),
        (
            lambda *sizes: own_networks.NoReset(),
            r"has no reset; expected num_parameters, load\(parameters\), reset\(\)",
        ),
        (own_networks.NoNumber, "has no num_parameters; expected"),
        (own_networks.OddNumber, "expected num_parameters as a whole number of at least 1, got 2.5"),
        (own_networks.OneTooMany, "load of 13 parameters, as num_parameters says, failed: ValueError"),
        (own_networks.WrongShape, r"expected outputs of shape \(2,\) from act, got shape \(1,\)"),
        (own_networks.NoArray, r"expected outputs of shape \(2,\) from act, got dict"),
        (own_modules.Tuples, r"expected outputs of shape \(2,\) from act, got tuple"),
        (own_modules.NoParameters, "expected num_parameters as a whole number of at least 1, got 0"),
        (dict, "cannot be made"),
        (lambda *sizes: [], "has no load, reset, act; expected"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(own, message):
    line = refusal(own)
    assert line.startswith("policy: ")
    assert re.search(message, line), line


def test_outputs_that_are_wrong_later_are_told():
    policy, _ = loaded(own_networks.FailsLater)
    for _ in range(3):
        policy.act(with_1(OBSERVATIONS[0]))
    with pytest.raises(WrongInput, match=r"policy: own_networks:FailsLater: expected outputs of shape \(2,\)"):
        policy.act(with_1(OBSERVATIONS[0]))


def test_parameters_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected parameters of shape \(12,\), got shape \(11,\)"):
        make(own_networks.Leaks).load(np.zeros(11, np.float32))


@pytest.mark.launches
def test_a_network_in_numpy_loads_no_torch(launch):
    program = (
        "import sys, numpy as np; from own_networks import Leaks; from mpi_pgpe.policies.own import OwnPolicy; "
        "from mpi_pgpe.policies.spaces import ActionSpace; OwnPolicy(Leaks, 'a:B', 3, ActionSpace(2)); "
        "print('torch' in sys.modules)"
    )
    done = launch(sys.executable, "-c", program, env=os.environ | {"PYTHONPATH": python_path(HELPERS)})
    assert (done.stdout, done.stderr) == ("False\n", "")

"""Saved agents with networks of one's own: a file names the class and never chooses it."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import own_modules
import own_networks
import pytest
import torch
from agents_to_save import make_agent, repickled

from mpi_pgpe.agents import Agent, AgentFileError, read_agent, write_agent
from mpi_pgpe.agents.__main__ import describe_agent
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.own import OwnPolicy, OwnShape
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.restore import policy_metadata, to_numpy_policy, to_torch_module

pytestmark = pytest.mark.serial

BOX = ActionSpace(2, np.float32([-1, -2]), np.float32([0.5, np.inf]))
OBSERVATIONS = np.random.default_rng(1).normal(2, 3, (8, 3)).astype(np.float32)


@pytest.fixture(params=[own_networks.Leaks, own_modules.Net, own_modules.Remembers], ids=lambda own: own.__name__)
def own(request):
    return request.param


@pytest.fixture
def agent(own):
    policy = OwnPolicy(own, f"{own.__module__}:{own.__name__}", 3, BOX)
    rng, moments = np.random.default_rng(0), Moments(3)
    moments.observe(rng.normal(2, 3, (50, 3)))
    parameters = rng.normal(size=policy.shape.num_parameters).astype(np.float32)
    return Agent(parameters, policy.shape, BOX, moments, {"env_name": "Some-v0"})


@pytest.fixture
def file(agent, tmp_path):
    write_agent(tmp_path / "agent.pickle", agent)
    return tmp_path / "agent.pickle"


@pytest.fixture
def expected(agent, own):
    policy = make_policy(agent.shape, BOX, own)
    policy.load(agent.parameters, *agent.moments.normalization())
    policy.reset()
    return np.array([policy.act(np.append(each, np.float32(1))) for each in OBSERVATIONS])


def test_the_file_holds_the_name(agent, own, file):
    read = read_agent(file)
    assert read.shape == agent.shape == OwnShape(3, 2, f"{own.__module__}:{own.__name__}", len(agent.parameters))
    np.testing.assert_array_equal(read.parameters, agent.parameters)
    assert pickle.loads(file.read_bytes())["version"] == 4
    assert describe_agent(read)["policy"]["class"] == agent.shape.name
    assert policy_metadata(file) == {"env_name": "Some-v0"}


def test_in_numpy_with_the_class_or_its_name_it_acts_as_in_training(agent, own, file, expected):
    for given in (own, agent.shape.name):
        policy = to_numpy_policy(file, policy=given)
        for _ in range(2):
            policy.reset()
            np.testing.assert_array_equal([policy(observation) for observation in OBSERVATIONS], expected)
    with pytest.raises(ValueError, match=r"expected an observation of shape \(3,\) for a network of one's own, got"):
        policy(OBSERVATIONS)


def test_in_torch_it_is_the_module_between_its_layers(own, file, expected):
    if own is own_networks.Leaks:
        with pytest.raises(WrongInput, match=r"is no torch.nn.Module; to_numpy_policy computes with it"):
            to_torch_module(file, policy=own)
        return
    module = to_torch_module(file, policy=own)
    with torch.no_grad():
        actions = [module(torch.from_numpy(observation)).numpy() for observation in OBSERVATIONS]
    np.testing.assert_allclose(actions, expected, rtol=1e-5, atol=1e-6)
    assert any(isinstance(part, own) for part in module)


def test_without_the_class_it_is_refused_in_one_line_and_nothing_is_imported(agent, file, tmp_path, monkeypatch):
    touched = tmp_path / "touched"
    (tmp_path / "touches.py").write_text(f"open({str(touched)!r}, 'w')\nclass Net: pass")
    monkeypatch.syspath_prepend(tmp_path)
    shape = OwnShape(3, 2, "touches:Net", len(agent.parameters))
    write_agent(file, Agent(agent.parameters, shape, BOX, agent.moments, {}))
    for function in (to_numpy_policy, to_torch_module):
        with pytest.raises(WrongInput, match="is touches:Net, which is code; a file does not choose") as refused:
            function(file)
        assert len(str(refused.value).splitlines()) == 1
    assert not touched.exists()
    assert "touches" not in sys.modules


def test_a_class_that_does_not_fit_is_refused(agent, file):
    with pytest.raises(WrongInput, match=f"expected a class with {len(agent.parameters)} parameters, as the agent has"):
        to_numpy_policy(file, policy=Odd)
    with pytest.raises(WrongInput, match="module 'nowhere' cannot be imported"):
        to_numpy_policy(file, policy="nowhere:Net")
    with pytest.raises(WrongInput, match="expected a class, named module:name, got 'nets"):
        to_numpy_policy(file, policy="nets.Net")
    with pytest.raises(WrongInput, match="got an instance of Odd; give what makes it"):
        to_numpy_policy(file, policy=Odd(4, 2))


class Odd(own_networks.Leaks):
    """With one parameter more than it needs."""

    def __init__(self, observation_size, action_size):
        super().__init__(observation_size, action_size)
        self.num_parameters += 1

    def load(self, parameters):
        super().load(parameters[:-1])


def test_a_class_for_a_network_that_is_built_in_is_refused(tmp_path):
    for function in (to_numpy_policy, to_torch_module):
        with pytest.raises(WrongInput, match="expected none for the agent's network 4-3-2"):
            function(make_agent(), policy=own_networks.Leaks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class": 3}, "class: expected module:Class, got 3"),
        ({"class": "Net"}, "class: expected module:Class, got 'Net'"),
        ({"num_parameters": -1}, "expected a whole number from 1"),
        ({"num_parameters": 10**7}, "parameters: expected shape"),
    ],
    ids=str,
)
def test_what_cannot_be_in_a_file_is_refused(file, changes, message):
    file.write_bytes(repickled(pickle.loads(file.read_bytes()) | changes))
    with pytest.raises(AgentFileError, match=message):
        read_agent(file)

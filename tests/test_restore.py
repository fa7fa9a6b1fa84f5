"""Saved agents as torch modules, in a process with neither MPI nor a simulator too."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from agents_to_save import BOX, make_agent

from mpi_pgpe.agents import AgentFileError, write_agent
from mpi_pgpe.base.errors import MissingPackage
from mpi_pgpe.policies.network import Policy
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.restore import policy_metadata, to_numpy_policy, to_torch_module

OBSERVATIONS = np.random.default_rng(1).normal(2, 3, (100, 4)).astype(np.float32)
DISCRETE = ActionSpace(3, start=-1)

every_agent = pytest.mark.parametrize(
    "agent",
    [
        make_agent(hidden, space, normalized)
        for hidden in ((), (3,), (6, 5))
        for space in (BOX, DISCRETE)
        for normalized in (True, False)
    ],
    ids=lambda a: f"{a.shape.hidden} {'discrete' if a.action_space.discrete else 'continuous'} {a.moments is not None}",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.pickle"


@every_agent
def test_the_module_equals_the_policy_on_one_observation_and_on_a_batch(path, agent):
    write_agent(path, agent)
    module = to_torch_module(path)
    policy = Policy(agent.shape, agent.action_space)
    if agent.moments is None:
        policy.load(agent.parameters)
    else:
        policy.load(agent.parameters, agent.moments.mean(), agent.moments.stdev())
    expected = np.array([policy.act(np.append(o, np.float32(1))) for o in OBSERVATIONS])
    with torch.no_grad():
        batch = module(torch.from_numpy(OBSERVATIONS)).numpy()
        ones = np.array([module(torch.from_numpy(o)).numpy() for o in OBSERVATIONS])
    assert batch.shape == ones.shape == expected.shape
    if agent.action_space.discrete:
        assert batch.dtype == np.int64
        np.testing.assert_array_equal(batch, expected)
        assert len(set(batch.tolist())) > 1
    else:
        assert batch.dtype == np.float32
        np.testing.assert_allclose(batch, expected, atol=1e-5, rtol=1e-5)
        assert np.isin(batch[:, 0], [-1, 0.5]).any()  # some were clipped
    np.testing.assert_allclose(ones, batch, atol=1e-5)


@every_agent
def test_layers_can_be_left_out(path, agent):
    """Without them, the module is the bare network, which the formulas give."""
    write_agent(path, agent)
    bare = to_torch_module(path, norm_layer=False, clip_layer=False)

    def network(x: np.ndarray) -> np.ndarray:
        *hidden, last = agent.shape.split(agent.parameters.astype(np.float64))
        for weights, bias in hidden:
            x = np.tanh(x @ weights.T + bias)
        return x @ last[0].T + last[1]

    def actions(x: np.ndarray) -> np.ndarray:
        space = agent.action_space
        return x.argmax(axis=1) + space.start if space.discrete else np.clip(x, space.low, space.high)

    raw = OBSERVATIONS.astype(np.float64)
    scaled = raw
    if agent.moments is not None:
        scaled = (raw - agent.moments.mean()) / agent.moments.stdev()
    inputs = torch.from_numpy(OBSERVATIONS)
    for module, expected in [
        (bare, network(raw)),
        (to_torch_module(path, norm_layer=False), actions(network(raw))),
        (to_torch_module(path, clip_layer=False), network(scaled)),
        (to_torch_module(path), actions(network(scaled))),
    ]:
        np.testing.assert_allclose(module(inputs).detach().numpy(), expected, atol=1e-5, rtol=1e-5)
    assert len(bare) == 2 * len(agent.shape.hidden) + 1


def test_without_torch_it_says_in_one_line_what_to_install(path, monkeypatch):
    write_agent(path, make_agent((3,), BOX, True))
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("mpi_pgpe.agents.in_torch")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingPackage) as told:
        to_torch_module(path)
    assert str(told.value) == (
        "to_torch_module needs torch, which is not installed; install its CPU build: "
        "pip install torch --index-url https://download.pytorch.org/whl/cpu"
    )
    assert isinstance(told.value, ImportError)  # for programs that go on without
    assert to_numpy_policy(path)(np.zeros(4, np.float32)).shape == (BOX.size,)


def test_metadata_is_what_was_written(path):
    write_agent(path, make_agent())
    assert policy_metadata(path) == make_agent().metadata


@pytest.mark.parametrize("function", [to_torch_module, policy_metadata])
def test_what_is_no_agent_is_refused(path, function):
    with pytest.raises(AgentFileError, match="cannot be read"):
        function(path)
    path.write_bytes(b"something else")
    with pytest.raises(AgentFileError, match="expected a saved agent"):
        function(path)


RESTORE_WITHOUT = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"gym", "gymnasium", "pybullet", "pybullet_envs", "mpi4py", "sacred", "Box2D"}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Blocker())
for name in ("gym", "mpi4py"):
    try:
        __import__(name)
    except ImportError as error:
        assert "blocked" in str(error)
    else:
        sys.exit("the blocker does not block")

import torch
from mpi_pgpe.restore import policy_metadata, to_torch_module

print(to_torch_module(sys.argv[1])(torch.zeros(4)).shape[0], policy_metadata(sys.argv[1])["env_name"])
"""


@pytest.mark.launches
def test_restoring_needs_neither_mpi_nor_a_simulator(path, launch):
    write_agent(path, make_agent())
    done = launch(sys.executable, "-c", RESTORE_WITHOUT, path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 Some-v0\n", "")

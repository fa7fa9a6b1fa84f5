"""Saved agents with recurrent policies: the file, numpy, and torch with an explicit state."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from agents_to_save import repickled

from mpi_pgpe.agents import Agent, AgentFileError, read_agent, write_agent
from mpi_pgpe.agents.__main__ import describe_agent
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.restore import to_numpy_policy, to_torch_module

pytestmark = pytest.mark.serial

STEPS, BATCH = 6, 5
OBSERVATIONS = np.random.default_rng(1).normal(2, 3, (STEPS, BATCH, 4)).astype(np.float32)
BOX = ActionSpace(2, np.float32([-1, -2]), np.float32([0.5, np.inf]))
SHAPES = {
    "rnn": (PolicyShape(4, 2, (5,), cell="rnn"), BOX),
    "rnn relu": (PolicyShape(4, 2, (5, 3), "relu", "sin", cell="rnn"), BOX),
    "gru": (PolicyShape(4, 2, (5, 3), cell="gru"), BOX),
    "gru no bias": (PolicyShape(4, 2, (5,), bias=False, cell="gru"), BOX),
    "lstm": (PolicyShape(4, 2, (5, 3), cell="lstm"), BOX),
    "lstm discrete": (PolicyShape(4, 3, (5,), cell="lstm"), ActionSpace(3, start=-1)),
}


@pytest.fixture(params=SHAPES)
def agent(request):
    shape, space = SHAPES[request.param]
    rng = np.random.default_rng(0)
    moments = Moments(4)
    moments.observe(rng.normal(2, 3, (50, 4)))
    parameters = rng.normal(0, 0.5, shape.num_parameters).astype(np.float32)
    return Agent(parameters, shape, space, moments, {"env_name": "Some-v0"})


@pytest.fixture
def file(agent, tmp_path):
    write_agent(tmp_path / "agent.pickle", agent)
    return tmp_path / "agent.pickle"


@pytest.fixture
def expected(agent):
    """Actions of the policy that training runs, shape (STEPS, BATCH, ...)."""
    policy = make_policy(agent.shape, agent.action_space)
    policy.load(agent.parameters, *agent.moments.normalization())
    found = []
    for sequence in OBSERVATIONS.transpose(1, 0, 2):
        policy.reset()
        found.append([policy.act(np.append(each, np.float32(1))) for each in sequence])
    return np.array(found).swapaxes(0, 1)


def test_the_file_holds_the_kind_and_earlier_programs_refuse_it(agent, file):
    content = pickle.loads(file.read_bytes())
    assert (content["version"], content["cell"]) == (4, agent.shape.cell)
    assert read_agent(file).shape == agent.shape
    assert describe_agent(agent)["policy"]["cell"] == agent.shape.cell


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "srnn"}, "cell: expected one of rnn, gru, lstm, got 'srnn'"),
        ({"cell": 3}, "cell: expected one of rnn, gru, lstm, got 3"),
        ({"hidden": []}, "expected a hidden layer and an activation that"),
        ({"activation": "elu"}, "expected a hidden layer and an activation that"),
    ],
    ids=str,
)
def test_what_cannot_be_in_a_file_is_refused(file, changes, message):
    file.write_bytes(repickled(pickle.loads(file.read_bytes()) | changes))
    with pytest.raises(AgentFileError, match=message):
        read_agent(file)


def test_in_numpy_one_by_one_and_in_batches_it_acts_as_in_training(file, expected):
    policy = to_numpy_policy(file)
    np.testing.assert_allclose([policy(batch) for batch in OBSERVATIONS], expected, rtol=1e-4, atol=1e-5)
    for number in range(2):
        policy.reset()
        actions = [policy(observation) for observation in OBSERVATIONS[:, number]]
        np.testing.assert_allclose(actions, expected[:, number], rtol=1e-4, atol=1e-5)


def test_the_state_is_kept_until_a_reset(agent):
    low, high = np.full((2, agent.shape.action_size), [[-np.inf], [np.inf]], np.float32)
    policy = to_numpy_policy(replace(agent, action_space=ActionSpace.box(low, high)))
    observation = OBSERVATIONS[0, 0]
    first, second = policy(observation), policy(observation)
    assert (first != second).any()
    policy.reset()
    np.testing.assert_array_equal(policy(observation), first)


def test_a_batch_in_place_of_one_asks_for_a_reset(file):
    policy = to_numpy_policy(file)
    policy(OBSERVATIONS[0])
    with pytest.raises(ValueError, match=r"expected observations of shape \(5, 4\) .* got \(4,\); call reset\(\)"):
        policy(OBSERVATIONS[0, 0])
    policy.reset()
    policy(OBSERVATIONS[0, 0])


def run(module, batched=True) -> torch.Tensor:
    """The actions of a module, with its state passed from step to step."""
    state = torch.zeros(*((BATCH,) if batched else ()), sum_of_states(module))
    found = []
    for observations in torch.from_numpy(OBSERVATIONS):
        action, state = module(observations if batched else observations[0], state)
        found.append(action)
    return torch.stack(found).detach()


def sum_of_states(module) -> int:
    return len(module.state_dict()["start"])


def test_in_torch_it_acts_as_in_training(file, agent, expected):
    module = to_torch_module(file)
    assert module.state_size == agent.shape.state_size == len(module.initial_state())
    assert module.initial_state(3).shape == (3, module.state_size)
    assert not module.initial_state().any()
    np.testing.assert_allclose(run(module), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(module, batched=False), expected[:, 0], rtol=1e-4, atol=1e-5)


def test_layers_can_be_left_out(agent):
    bare = to_torch_module(agent, norm_layer=False, clip_layer=False)
    moments = agent.moments
    normalized = torch.from_numpy(((OBSERVATIONS[0] - moments.mean()) / moments.stdev()).astype(np.float32))
    outputs, state = bare(normalized, bare.initial_state(BATCH))
    actions, other = to_torch_module(agent)(torch.from_numpy(OBSERVATIONS[0]), bare.initial_state(BATCH))
    torch.testing.assert_close(state, other)
    if agent.action_space.discrete:
        torch.testing.assert_close(outputs.argmax(-1) - 1, actions)
    else:
        torch.testing.assert_close(outputs.clip(torch.tensor(BOX.low), torch.tensor(BOX.high)), actions)


def test_scripted_saved_and_loaded_it_is_the_same(file, tmp_path):
    module = to_torch_module(file)
    torch.jit.script(module).save(tmp_path / "scripted.pt")
    loaded = torch.jit.load(tmp_path / "scripted.pt")
    torch.testing.assert_close(run(loaded), run(module))
    torch.testing.assert_close(run(loaded, batched=False), run(module, batched=False))
    assert loaded.initial_state(2).shape == (2, module.state_size)
    assert loaded.initial_state().shape == (module.state_size,)


def test_exported_with_any_batch_it_is_the_same(file):
    module = to_torch_module(file)
    batch = torch.export.Dim("batch")
    example = torch.from_numpy(OBSERVATIONS[0, :3]), module.initial_state(3)
    exported = torch.export.export(module, example, dynamic_shapes=({0: batch}, {0: batch})).module()
    torch.testing.assert_close(run(exported), run(module))


@pytest.mark.slow
def test_in_onnx_it_is_the_same(file, tmp_path):
    pytest.importorskip("onnxscript", reason="torch exports ONNX with onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    module, path, batch = to_torch_module(file).eval(), str(tmp_path / "agent.onnx"), torch.export.Dim("batch")
    example = torch.from_numpy(OBSERVATIONS[0, :3]), module.initial_state(3)
    torch.onnx.export(module, example, path, dynamic_shapes=({0: batch}, {0: batch}), dynamo=True, verbose=False)
    session = runtime.InferenceSession(path)
    names = [each.name for each in session.get_inputs()]
    state, found = np.zeros((BATCH, module.state_size), np.float32), []
    for observations in OBSERVATIONS:
        actions, state = session.run(None, dict(zip(names, (observations, state), strict=True)))
        found.append(torch.from_numpy(actions))
    torch.testing.assert_close(torch.stack(found), run(module), rtol=1e-5, atol=1e-6)


def test_it_moves_and_can_be_trained_on(file):
    module = to_torch_module(file, clip_layer=False)
    action, state = module(torch.from_numpy(OBSERVATIONS[0]), module.initial_state(BATCH))
    (action.sum() + state.sum()).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert {tensor.device.type for tensor in module.to("meta").state_dict().values()} == {"meta"}
    assert module.initial_state(2).device.type == "meta"


def test_restoring_draws_no_random_numbers(file):
    before = torch.random.get_rng_state()
    to_torch_module(file)
    assert torch.equal(before, torch.random.get_rng_state())

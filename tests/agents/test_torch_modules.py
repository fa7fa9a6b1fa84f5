"""What can be done with a restored torch module: scripted, exported, moved, batched, trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpi_pgpe.agents import Agent, write_agent
from mpi_pgpe.policies.activations import ACTIVATIONS, HIDDEN_ACTIVATIONS
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.restore import to_numpy_policy, to_torch_module

pytestmark = pytest.mark.serial

OBSERVATIONS = torch.from_numpy(np.random.default_rng(1).normal(2, 3, (7, 4)).astype(np.float32))
BOX = ActionSpace(2, np.float32([-1, -0.1]), np.float32([0.5, np.inf]))
DISCRETE = ActionSpace(3, start=-1)
SHAPES = {
    "linear": (PolicyShape(4, 2), BOX),
    "mlp": (PolicyShape(4, 2, (5, 6)), BOX),
    "relu": (PolicyShape(4, 2, (5,), "relu", "tanh"), BOX),
    "elu": (PolicyShape(4, 2, (5, 3), "elu", "sin"), BOX),
    "gelu": (PolicyShape(4, 2, (5, 3), "gelu", "sigmoid"), BOX),
    "sin": (PolicyShape(4, 2, (5, 3), "sin", "elu", bias=False), BOX),
    "sigmoid": (PolicyShape(4, 3, (5,), "sigmoid", bias=False), DISCRETE),
    "discrete": (PolicyShape(4, 3, (5,)), DISCRETE),
}


@pytest.fixture(params=SHAPES)
def file(request, tmp_path):
    shape, space = SHAPES[request.param]
    rng = np.random.default_rng(0)
    moments = Moments(4)
    moments.observe(rng.normal(2, 3, (50, 4)))
    parameters = rng.normal(size=shape.num_parameters).astype(np.float32)
    path = tmp_path / "agent.pickle"
    write_agent(path, Agent(parameters, shape, space, moments, {"env_name": "Some-v0"}))
    return path


def same(one: torch.Tensor, other: torch.Tensor) -> None:
    assert one.shape == other.shape
    torch.testing.assert_close(one, other)


def test_scripted_saved_and_loaded_it_is_the_same(file, tmp_path):
    module = to_torch_module(file)
    torch.jit.script(module).save(tmp_path / "scripted.pt")
    loaded = torch.jit.load(tmp_path / "scripted.pt")
    same(loaded(OBSERVATIONS), module(OBSERVATIONS))
    same(loaded(OBSERVATIONS[0]), module(OBSERVATIONS)[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output", ACTIVATIONS)
def test_every_activation_can_be_scripted_and_exported(output, bias):
    hidden = output if output in HIDDEN_ACTIVATIONS else "tanh"
    for activation in {hidden, "relu"}:
        shape = PolicyShape(4, 2, (5,), activation, output, bias)
        parameters = np.random.default_rng(0).normal(size=shape.num_parameters).astype(np.float32)
        agent = Agent(parameters, shape, BOX)
        module, expected = to_torch_module(agent), to_numpy_policy(agent)(OBSERVATIONS.numpy())
        exported = torch.export.export(module, (OBSERVATIONS,)).module()
        for other in (module, torch.jit.script(module), exported):
            np.testing.assert_allclose(other(OBSERVATIONS).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_exported_with_any_batch_it_is_the_same(file):
    module = to_torch_module(file)
    shapes = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(module, (OBSERVATIONS[:3],), dynamic_shapes=shapes).module()
    same(exported(OBSERVATIONS), module(OBSERVATIONS))


def test_in_onnx_it_is_the_same(file, tmp_path):
    pytest.importorskip("onnxscript", reason="torch exports ONNX with onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    module, path = to_torch_module(file), str(tmp_path / "agent.onnx")
    torch.onnx.export(
        module, (OBSERVATIONS[:3],), path, dynamic_shapes=({0: torch.export.Dim("batch")},), dynamo=True, verbose=False
    )
    session = runtime.InferenceSession(path)
    (actions,) = session.run(None, {session.get_inputs()[0].name: OBSERVATIONS.numpy()})
    same(torch.from_numpy(actions), module(OBSERVATIONS).detach())


def test_normalization_and_bounds_are_in_the_state(file):
    module = to_torch_module(file)
    state = module.state_dict()
    assert {"0.mean", "0.stdev"} <= set(state)
    assert not {"0.mean", "0.stdev"} & {name for name, _ in module.named_parameters()}
    discrete = to_numpy_policy(file)(np.zeros(4)).dtype != np.float32
    assert any(name.endswith(".low") for name in state) is not discrete
    other = to_torch_module(file)
    for value in other.state_dict().values():
        value.fill_(0.5)
    other.load_state_dict(state)
    same(other(OBSERVATIONS), module(OBSERVATIONS))


def test_moved_all_of_it_moves(file):
    """No second device here: the meta device and another precision move all the same tensors."""
    module = to_torch_module(file)
    assert {tensor.dtype for tensor in module.to(torch.float64).state_dict().values()} == {torch.float64}
    same(module(OBSERVATIONS.double()).float(), to_torch_module(file)(OBSERVATIONS).float())
    assert {tensor.device.type for tensor in module.to("meta").state_dict().values()} == {"meta"}
    assert module(OBSERVATIONS.double().to("meta")).device.type == "meta"


def test_a_batch_is_its_observations_one_by_one(file):
    module, policy = to_torch_module(file), to_numpy_policy(file)
    batch = module(OBSERVATIONS)
    same(torch.stack([module(observation) for observation in OBSERVATIONS]), batch)
    np.testing.assert_allclose(policy(OBSERVATIONS.numpy()), batch.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(policy(OBSERVATIONS[0].tolist()), batch[0].detach().numpy(), rtol=1e-5, atol=1e-6)


def test_it_can_be_trained_on(file):
    module = to_torch_module(file, clip_layer=False)
    module(OBSERVATIONS).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_restoring_draws_no_random_numbers(file):
    before = torch.random.get_rng_state()
    to_torch_module(file)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_numpy_policy_says_what_it_expects(file):
    with pytest.raises(ValueError, match=r"expected observations of shape \(4,\) or \(n, 4\), got \(5,\)"):
        to_numpy_policy(file)(np.zeros(5))


@pytest.mark.launches
def test_the_numpy_policy_needs_numpy_alone(file, launch):
    program = (
        "import sys; from mpi_pgpe.restore import to_numpy_policy, policy_metadata; "
        "print(to_numpy_policy(sys.argv[1])([[0] * 4] * 2).shape[0], policy_metadata(sys.argv[1])['env_name'], "
        "*sorted({'torch', 'gym', 'mpi4py', 'sacred'} & set(sys.modules)))"
    )
    done = launch("-c", program, file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 Some-v0\n", "")

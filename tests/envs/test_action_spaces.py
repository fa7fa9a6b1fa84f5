"""An action is in its space and has its dtype, whoever computes it: training, enjoy, numpy and torch policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from families import random_policy
from runs import train
from strict_envs import Strict

from mpi_pgpe import envs
from mpi_pgpe.agents import Agent, read_agent, write_agent
from mpi_pgpe.cli.viewer import Viewer
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.spaces import FLOATS, ActionSpace
from mpi_pgpe.restore import to_numpy_policy, to_torch_module
from mpi_pgpe.training.rollout import Rollout

OBSERVATIONS = np.random.default_rng(1).normal(0, 100, (20, 3)).astype(np.float32)
BOUNDS = {"tenth": 0.1, "third": 1 / 3, "infinite": np.inf, "huge": 1e300, "tiny": 1e-40}


def cases() -> list[Any]:
    return [
        pytest.param(dtype, bound, id=f"{dtype}-{name}")
        for dtype in FLOATS
        for name, bound in BOUNDS.items()
        if np.isinf(bound) or (np.isfinite(np.dtype(dtype).type(bound)) and np.dtype(dtype).type(bound) > 0)
    ]


def agent_for(space: ActionSpace) -> Agent:
    shape = PolicyShape(3, 2)
    parameters = np.random.default_rng(0).normal(size=shape.num_parameters).astype(np.float32)
    return Agent(parameters, shape, space, None, {"env_name": "strict_envs:Strict"})


def actions(policy: Policy) -> np.ndarray:
    return np.array([policy.act(np.append(x, np.float32(1))) for x in OBSERVATIONS])


@pytest.mark.parametrize(("dtype", "bound"), cases())
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_actions_are_in_the_space_with_its_dtype(dtype: str, bound: float, tmp_path: Path) -> None:
    given = Strict(dtype, bound).action_space
    space = envs.make("strict_envs:Strict", {"dtype": dtype, "bound": bound}).action_space
    write_agent(tmp_path / "a.pickle", agent_for(space))
    agent = read_agent(tmp_path / "a.pickle")
    assert (agent.action_space.dtype, agent.action_space.low.tobytes()) == (dtype, space.low.tobytes())
    policy = Policy(agent.shape, agent.action_space)
    policy.load(agent.parameters)
    found = {"training": actions(policy), "numpy": to_numpy_policy(tmp_path / "a.pickle")(OBSERVATIONS)}
    if dtype != "longdouble":  # which torch has not
        with torch.no_grad():
            found["torch"] = to_torch_module(tmp_path / "a.pickle")(torch.from_numpy(OBSERVATIONS)).numpy()
    for name, batch in found.items():
        assert batch.dtype == np.dtype(dtype), name
        assert all(given.contains(action) for action in batch), name
        np.testing.assert_allclose(batch.astype(float), found["training"].astype(float), rtol=1e-3)
    if bound == 0.1:
        assert found["training"].max() == pytest.approx(0.1, rel=1e-3), "no action is at the bound"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_episodes_and_trainings(dtype: str, tmp_path: Path) -> None:
    env = envs.make("strict_envs:Strict", {"dtype": dtype})
    assert Rollout(env).run(random_policy(env), 3).steps == 10
    values = {"env_name": "strict_envs:Strict", "env_config": {"dtype": dtype}, "niters": 1, "popsize": 4}
    train(values)
    write_agent(tmp_path / "a.pickle", agent_for(env.action_space))
    assert Viewer(read_agent(tmp_path / "a.pickle"), "strict_envs:Strict").run(3).steps == 10


def test_an_agent_keeps_to_the_bounds_of_the_environment_that_it_is_shown_in() -> None:
    """Those of a file of 0.1.0 may have been rounded outwards, or be those of another environment."""
    agent = agent_for(ActionSpace(2, *np.float32([[-0.1, -0.1], [0.1, 0.1]])))
    assert np.float32(0.1) > 0.1
    assert Viewer(agent, "strict_envs:Strict").run(3).steps == 10
    inner, outer = (ActionSpace.box(np.float32([-x]), np.float32([x])) for x in (1, 2))
    assert (inner.within(outer).high, outer.within(inner).high) == (1, 1)


def test_bounds_are_rounded_inwards_and_no_further() -> None:
    space = ActionSpace.box(np.array([-0.1, -1, -0.3]), np.array([0.1, 1, 0.3]))
    assert (space.low >= [-0.1, -1, -0.3]).all()
    assert (np.nextafter(space.low, np.float32(-2)) < [-0.1, -1, -0.3]).all()
    assert (space.high == -space.low).all()


def test_bounds_without_a_float32_between_them_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(Strict):
        def __init__(self) -> None:
            self.action_space = gymnasium.spaces.Box(0.1, 0.1, (2,), np.float64)

    monkeypatch.setattr("strict_envs.Fixed", Fixed, raising=False)
    with pytest.raises(envs.UnsupportedEnvironment, match="expected a float32 between the bounds of an action, got"):
        envs.make("strict_envs:Fixed", {})


def test_a_torch_module_is_of_float32_on_the_cpu_whatever_the_defaults(tmp_path: Path) -> None:
    write_agent(tmp_path / "a.pickle", agent_for(ActionSpace.box(*np.array([[-0.1, -0.1], [0.1, 0.1]]))))
    expected = to_torch_module(tmp_path / "a.pickle")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            module = to_torch_module(tmp_path / "a.pickle")
    finally:
        torch.set_default_dtype(before)
    tensors = module.state_dict()
    assert {(t.dtype, t.device.type) for t in tensors.values()} == {(torch.float32, "cpu")}
    batch = torch.from_numpy(OBSERVATIONS)
    assert torch.equal(module(batch), expected(batch))
    assert torch.equal(torch.jit.script(module)(batch), expected(batch))

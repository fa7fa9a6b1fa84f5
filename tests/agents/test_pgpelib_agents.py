"""Agents of pgpelib (2020): restored as pgpelib itself computed with them, and without its classes."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from places import DATA

from mpi_pgpe.agents import AgentFileError, read_agent, write_agent
from mpi_pgpe.agents.file import agent_from_bytes
from mpi_pgpe.agents.pgpelib import _NAMES
from mpi_pgpe.agents.safe_pickle import load
from mpi_pgpe.policies.network import Policy
from mpi_pgpe.restore import policy_metadata, to_numpy_policy, to_torch_module

pytestmark = pytest.mark.launches

LANDER = DATA / "pgpelib_lunarlander.pickle"
KINDS = [
    *("linear3", "linear4", "linear_norm3", "linear_norm4", "mlp3", "mlp4", "mlp_norm3", "mlp_norm4"),
    *("no_bias", "nothing_seen", "discrete", "relu_tanh_output", "no_activation", "transposed"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Agents that torch, numpy and pickle wrote, with the actions that pgpelib's formulas give."""
    from programs import run_program

    folder = tmp_path_factory.mktemp("pgpelib")
    done = run_program(sys.executable, DATA / "make_pgpelib_agents.py", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_acts_as_it_acted(files, kind):
    file, expected = files / f"{kind}.pickle", np.load(files / f"{kind}.npz")
    observations, actions = expected["observations"], expected["actions"]
    with torch.no_grad():
        restored = to_torch_module(file)(torch.from_numpy(observations)).numpy()
    np.testing.assert_allclose(restored, actions, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy_policy(file)(observations), actions, rtol=1e-5, atol=1e-5)
    agent = read_agent(file)
    policy, moments = Policy(agent.shape, agent.action_space), agent.moments
    policy.load(agent.parameters, *(() if moments is None else (moments.mean(), moments.stdev())))
    acted = [policy.act(np.append(o, np.float32(1))) for o in observations]
    # The normalization is folded into the weights here, where means of 1000 cost digits.
    np.testing.assert_allclose(acted, actions, atol=1e-3)
    assert len(np.unique(actions)) > (2 if kind == "discrete" else 10)


def test_the_metadata_is_plain_data(files):
    metadata = policy_metadata(files / "mlp_norm4.pickle")
    assert metadata["env_name"] == "pybullet_envs:HumanoidBulletEnv-v0"
    assert metadata["env_config"] == {"render": False}
    assert metadata["notes"] == {"fitness": 1.5, "history": [1, 2.5], "array": [0, 1, 2]}


def test_shapes_are_those_of_the_networks(files):
    shape = read_agent(files / "relu_tanh_output.pickle").shape
    assert (shape.hidden, shape.activation, shape.output_activation) == ((8, 8), "relu", "tanh")
    assert read_agent(files / "linear3.pickle").shape.hidden == ()
    assert read_agent(files / "mlp_norm3.pickle").moments.count == 500
    assert read_agent(files / "nothing_seen.pickle").moments is None


def test_layers_that_do_not_fit_together_are_refused(files):
    """numpy would repeat one column as often as the layer before has units: some bytes could fill the memory."""
    content = (files / "mlp4.pickle").read_bytes()
    one_column = content.replace(b"K\x02K\x08\x86", b"K\x02K\x01\x86", 1)
    assert one_column != content
    with pytest.raises(AgentFileError, match=r"layers that fit together, got \(2, 1\)"):
        agent_from_bytes(one_column)


def test_sums_that_overflow_are_refused(files):
    """And nothing is printed of it."""
    content = (files / "linear_norm4.pickle").read_bytes()
    policy, _ = load(content, _NAMES)
    total = policy.state["_main_obs_stats"].state["_sum"].state[-1]
    assert content.count(total) == 1
    with pytest.raises(AgentFileError, match="overflow encountered"):
        agent_from_bytes(content.replace(total, np.full(6, 3e38, np.float32).tobytes()))


@pytest.mark.parametrize("kind", ["mlp_norm3", "relu_tanh_output", "discrete"])
def test_converted_it_is_the_same_agent(files, launch, tmp_path, kind):
    old, new = files / f"{kind}.pickle", tmp_path / "new.pickle"
    done = launch("-m", "mpi_pgpe.agents", "convert", old, new)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{new}\n", "")
    assert b"pgpelib." not in new.read_bytes()
    observations = np.load(files / f"{kind}.npz")["observations"]
    np.testing.assert_array_equal(to_numpy_policy(new)(observations), to_numpy_policy(old)(observations))
    assert policy_metadata(new) == policy_metadata(old)


def test_the_lander_scores_what_it_scored(launch):
    """A mean return of 273.8 over seeds 0 to 19 of LunarLanderContinuous-v2."""
    done = launch("-m", "mpi_pgpe.enjoy", LANDER, "--episodes", 20, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert round(result["mean"], 1) == 273.8
    assert (result["env_name"], result["seed"], len(result["returns"])) == ("LunarLanderContinuous-v2", 0, 20)


@pytest.mark.skipif(np.__version__ >= "2", reason="gym's own cannot step with numpy 2")
def test_the_restored_module_scores_it_too():
    """In a plain loop over gym's environment, as a user would write it."""
    import gym

    module, metadata = to_torch_module(LANDER), policy_metadata(LANDER)
    total = 0.0
    for seed in range(3):
        env = gym.make(metadata["env_name"], **metadata["env_config"])
        observation, done = env.reset(seed=seed)[0], False
        while not done:
            with torch.no_grad():
                action = module(torch.as_tensor(observation)).numpy()
            observation, reward, terminated, truncated, _ = env.step(action)
            total, done = total + reward, terminated or truncated
    # gym's own world differs in the last digits from the renewed one that the package steps.
    assert total / 3 == pytest.approx(270.1, abs=1)


def test_show_prints_what_is_known(launch):
    done = launch("-m", "mpi_pgpe.agents", "show", LANDER, "--json")
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["policy"]["parameters"] == 18
    assert shown["metadata"]["env_name"] == "LunarLanderContinuous-v2"
    assert shown["action_space"] == {"low": [-1, -1], "high": [1, 1]}
    done = launch("-m", "mpi_pgpe.agents", "show", LANDER)
    assert "env_name: LunarLanderContinuous-v2" in done.stdout


def test_show_sends_nothing_of_a_file_to_the_terminal_but_text(launch, tmp_path):
    """Colours, titles of windows, further lines, and halves of characters."""
    agent = read_agent(LANDER)
    agent.metadata = {"env_name": "a\ud800b", "\x1b[31mred": {"x": "\x1b]0;title\x07\nok: fine", "list\r": ["\x9b"]}}
    write_agent(tmp_path / "odd.pickle", agent)
    done = launch("-m", "mpi_pgpe.agents", "show", tmp_path / "odd.pickle")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert "  env_name: a?b\n  ?[31mred:\n    x: ?]0;title??ok: fine\n    list?: ?\n" in done.stdout


def test_an_error_is_one_line(launch, tmp_path):
    shutil.copy(DATA / "make_agent.py", tmp_path / "no_agent.pickle")
    for command in (["show", tmp_path / "no_agent.pickle"], ["convert", tmp_path / "missing", tmp_path / "out"]):
        done = launch("-m", "mpi_pgpe.agents", *command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("agents: ")
    done = launch("-m", "mpi_pgpe.agents", "convert", LANDER, tmp_path / "none" / "out")
    assert (done.returncode, done.stderr) == (
        1,
        f"agents: {tmp_path}/none/out: cannot be written: No such file or directory\n",
    )

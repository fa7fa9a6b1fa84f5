"""Environments with any spaces: training, enjoy, saved agents, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gym
import gymnasium
import numpy as np
import pytest
import torch
from families import random_policy
from runs import outcome, train
from spaced_envs import REFUSED, SPACES, leaves

from mpi_pgpe import envs
from mpi_pgpe.agents import read_agent, write_agent
from mpi_pgpe.cli.numbered_episodes import Cast, Order, Stage
from mpi_pgpe.cli.viewer import Viewer
from mpi_pgpe.envs.survey import examine_environment
from mpi_pgpe.restore import to_flat_observations, to_numpy_policy, to_torch_module
from mpi_pgpe.training.rollout import Rollout
from mpi_pgpe.training.settings import BadSettings

CASES = [
    pytest.param(library, name, id=f"{library}-{name}")
    for library in SPACES
    for name in SPACES[library]
    if name != "Box"
]
CLASSES = {"gym": "spaced_envs:SpacedGym", "gymnasium": "spaced_envs:Spaced"}
SCRIPTED = [name for name in SPACES["gymnasium"] if name not in ("Tuple", "nested")]


@pytest.mark.parametrize(("library", "name"), CASES)
def test_observations_are_those_of_the_librarys_flatten(library: str, name: str) -> None:
    env = envs.make(CLASSES[library], {"observations": name})
    space, inside = env._env.observation_space, env._env
    flatten = (gym if library == "gym" else gymnasium).spaces.flatten
    np.testing.assert_array_equal(env.reset(3), flatten(space, inside.seen[0]))
    for _ in range(3):
        observed = env.step(np.zeros(2, np.float32))[0]
        np.testing.assert_array_equal(observed, flatten(space, inside.seen[-1]))
    assert Rollout(env).run(random_policy(env), 4, collect_moments=True).steps == 10


@pytest.mark.parametrize(("library", "name"), CASES)
def test_a_training_its_agent_and_enjoy(library: str, name: str, tmp_path: Path) -> None:
    """What they do is in the action space with its dtype, which the environment looks at, and the same everywhere."""
    config = {"observations": name, "actions": name}
    values = {"env_name": CLASSES[library], "env_config": config, "niters": 2, "re_eval_interval": 1}
    trained = train(values)
    if trained is None:
        return
    write_agent(tmp_path / "a.pickle", trained[1][-1].agent)
    agent = read_agent(tmp_path / "a.pickle")
    viewer = Viewer(agent, CLASSES[library])
    assert viewer.run(5).steps == 10
    inside = viewer.env._env
    numpys, flat = to_numpy_policy(tmp_path / "a.pickle"), to_flat_observations(tmp_path / "a.pickle")
    module = to_torch_module(tmp_path / "a.pickle").requires_grad_(False)
    batch = np.stack([flat(seen) for seen in inside.seen[:-1]])
    batches = [leaves(numpys(batch)), [x.numpy() for x in leaves(module(torch.from_numpy(batch)))]]
    if name in SCRIPTED:
        batches.append([x.numpy() for x in leaves(torch.jit.script(module)(torch.from_numpy(batch)))])
    takes_seconds = (library, name) != ("gymnasium", "nested")
    exported = module if takes_seconds else torch.export.export(module, (torch.from_numpy(batch[0]),)).module()
    for i, (seen, done) in enumerate(zip(inside.seen[:-1], inside.done, strict=True)):
        action = numpys(seen)
        assert inside.action_space.contains(int(action) if isinstance(done, int) else action)
        tensors = leaves(module(torch.from_numpy(flat(seen))))
        again = leaves(exported(torch.from_numpy(flat(seen))))
        for number, (mine, each) in enumerate(zip(leaves(done), leaves(action), strict=True)):
            found = [each, tensors[number].numpy(), again[number].numpy(), *(batch[number][i] for batch in batches)]
            for other in found:
                assert np.asarray(other).dtype == np.asarray(mine).dtype
                np.testing.assert_allclose(np.asarray(other, float), np.asarray(mine, float), rtol=1e-2, atol=1e-5)


def test_the_saved_agent_of_flat_spaces_is_as_before(tmp_path: Path) -> None:
    trained = train({"env_name": "gymnasium/CartPole-v1", "niters": 1})
    if trained is not None:
        write_agent(tmp_path / "a.pickle", trained[1][-1].agent)
        assert b"layout" not in (tmp_path / "a.pickle").read_bytes()


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("what", ["observations", "actions"])
def test_what_cannot_be_is_refused_by_name(what: str, name: str) -> None:
    kind = name.partition(" ")[0]
    with pytest.raises(
        envs.UnsupportedEnvironment, match=rf"expected {what} in Box, .* got {kind}.*; wrap it: wrappers="
    ):
        envs.make("spaced_envs:Spaced", {what: name})


def test_an_observation_unlike_its_space_is_told() -> None:
    env = envs.make("spaced_envs:Spaced", {"observations": "Dict", "misses": True})
    env.reset(1)
    with pytest.raises(ValueError, match=r"expected observations in Dict\(.* got 'nothing'"):
        env.step(np.zeros(2, np.float32))


@pytest.mark.serial  # rank 0 refuses it, for which the others would wait
def test_agents_and_environments_of_other_spaces_do_not_go_together(tmp_path: Path) -> None:
    """Five outputs may be a MultiDiscrete's or a Box's."""
    values: dict[str, Any] = {"env_name": "spaced_envs:Spaced", "env_config": {"actions": "MultiDiscrete"}, "niters": 1}
    other = {"re_eval_env_config": {"actions": "Dict"}, "re_eval_env_name": "spaced_envs:Spaced"}
    with pytest.raises(BadSettings, match=r"expected an environment with .* actions in MultiDiscrete\(3, 2\) like"):
        train(values | other)


def test_any_number_of_ranks_gives_the_same_bits() -> None:
    values = {"env_name": "spaced_envs:Spaced", "env_config": {"observations": "nested", "actions": "nested"}}
    trained = train(values)
    if trained is not None:
        alone = train(values, _alone())
        assert alone is not None
        assert outcome(*trained) == outcome(*alone)


def _alone() -> Any:
    from mpi4py import MPI

    return MPI.COMM_SELF


def test_what_doctor_does_works_in_any_space() -> None:
    config = {"observations": "nested", "actions": "nested"}
    assert examine_environment("x", "spaced_envs:Spaced", config).works
    stage = Stage(Cast("spaced_envs:Spaced", config))
    assert stage.play(Order("", range(3), beside=True)) == stage.play(Order("", range(3), fresh=True))
    assert not [name for name in stage.kept() if "generator" in name]

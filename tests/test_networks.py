"""Each kind of network through a whole run: recorded, killed and resumed, on two ranks, compared, restored, enjoyed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import HELPERS, python_path
from programs import kill_with_descendants, run_program

from mpi_pgpe import compare, enjoy, envs
from mpi_pgpe.restore import to_numpy_policy

pytestmark = [pytest.mark.launches, pytest.mark.slow]

NETWORKS = {
    "gru": ["policy=gru", "hidden=5"],
    "own": ["policy=own_modules:Remembers"],
}
TRAIN = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", "fast", "env_name=odd_envs:Slow", "seed=3"]
SIZE = ["popsize=8", "popsize_max=8", "num_interactions=None", "niters=6", "re_eval_num_episodes=3"]
ENVIRONMENT = os.environ | {"PYTHONPATH": python_path(HELPERS)}
SLOWLY = ENVIRONMENT | {"SECONDS_OF_A_STEP": "0.002"}


def command(network: list[str], **more: Any) -> list[str]:
    return [*TRAIN, *SIZE, *network, "checkpoint_seconds=0", *(f"{name}={value}" for name, value in more.items())]


def ended(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    (digest,) = [line for line in done.stdout.splitlines() if "state_digest=" in line]
    return digest.partition("state_digest=")[2].split()[0]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_whole_run(network: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = ended(run_program(*command(network), cwd=tmp_path, env=ENVIRONMENT))
    assert ended(run_program(*command(network), ranks=2, cwd=tmp_path, env=ENVIRONMENT)) == whole
    runs = [str(tmp_path / "results" / number) for number in ("1", "2")]
    assert compare.main(runs) == 0
    assert capsys.readouterr().out.startswith("the same: every metric of 6 generations")

    resumed = command(network, resume="auto", checkpoint="checkpoints")
    with subprocess.Popen(
        [sys.executable, *resumed], cwd=tmp_path, env=SLOWLY, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        generations = 0
        while generations < 3:
            line = run.stdout.readline()
            assert line, "the run ended by itself"
            generations += line.startswith("generation=")
        kill_with_descendants(run)
    done = run_program(*resumed, cwd=tmp_path, env=ENVIRONMENT, ranks=2)
    assert "going on from" in done.stdout
    assert ended(done) == whole

    (file,) = tmp_path.glob("results/1/*_iter6.pickle")
    check_agent(network, tmp_path, file, capsys)


def test_a_run_does_not_go_on_with_a_network_of_another_size(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("from own_networks import Leaks as Net")
    environment = ENVIRONMENT | {"PYTHONPATH": python_path(tmp_path, HELPERS)}
    small = command(["policy=nets:Net"], niters=1, popsize=4)
    ended(run_program(*small, cwd=tmp_path, env=environment))
    (tmp_path / "nets.py").write_text("from own_modules import Net")
    done = run_program(*small, "niters=2", "resume=results/1", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("train: resume: results/1/")
    assert "has 12 parameters, but 50 are trained now; go on with the environment and the policy of" in done.stderr
    assert not (tmp_path / "results/2").exists()


def check_agent(network: list[str], folder: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """enjoy, in one order and another, gives the returns that the restored agent has; a run begins at it."""
    own = network[0].partition("=")[2] if ":" in network[0] else None
    command_of = [str(file), "--env", "odd_envs:Slow", "--json"]
    if own is not None:
        assert enjoy.main(command_of) == 2
        refusal = capsys.readouterr().err
        assert refusal.startswith(f"enjoy: policy: the agent's network is {own}, which is code; a file does not choose")
        command_of += ["--policy", own]
    assert enjoy.main([*command_of, "--episodes", "4", "--seed", "5"]) == 0
    returns = json.loads(capsys.readouterr().out.splitlines()[-1])["returns"]
    assert enjoy.main([*command_of, "--episodes", "1", "--seed", "7"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["returns"] == returns[2:3]
    policy, env = to_numpy_policy(file, policy=own), envs.make("odd_envs:Slow", {})
    for seed in (5, 6, 7, 8):
        policy.reset()
        observation, total, over = env.reset(seed), 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            total, over = total + reward, terminated or truncated
        assert total == pytest.approx(returns[seed - 5], rel=1e-4)
    assert len(set(np.round(returns, 6))) == 4
    begun = run_program(*command(network, init_from=file, niters=1), cwd=folder, env=ENVIRONMENT)
    assert begun.returncode == 0, begun.stderr

"""Run a saved agent and print what it scores: `python -m mpi_pgpe.enjoy FILE`."""

from __future__ import annotations

import mpi_pgpe.one_thread  # noqa: F401  (before numpy)

# isort: split
import argparse
import json
import sys
from typing import Any

import numpy as np

from mpi_pgpe import envs
from mpi_pgpe.agents import Agent, AgentFileError, read_agent
from mpi_pgpe.policies import Policy
from mpi_pgpe.rollout import Rollout


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m mpi_pgpe.enjoy", description=__doc__)
    p.add_argument("file", help="a saved agent (.pickle)")
    p.add_argument("--episodes", type=int, default=10, metavar="N", help="episodes to run (default 10)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="episode i starts from seed S + i (default 0)")
    p.add_argument("--env", metavar="ID", help="environment (default: that of the agent's re-evaluation)")
    p.add_argument("--render", action="store_true", help="show the episodes in a window")
    p.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    return p


def environment_of(agent: Agent, name: str | None, render: bool) -> envs.Environment:
    """The environment to run the agent in."""
    data = agent.metadata
    config: dict[str, Any] = {}
    if name is None:
        prefix = "re_eval_" if data.get("re_eval_env_name") else ""
        name = str(data[f"{prefix}env_name"])
        config = dict(data.get(f"{prefix}env_config") or {})
    if render:
        config["render_mode"] = "human"
    return envs.make(name, config)


def run_episodes(agent: Agent, env: envs.Environment, episodes: int, seed: int) -> tuple[list[float], list[int]]:
    """(returns, lengths) of episodes that start from seeds seed, seed + 1, ..."""
    if env.observation_size != agent.shape.observation_size or env.action_space.size != agent.shape.action_size:
        raise envs.UnsupportedEnvironment(
            f"expected an environment with {agent.shape.observation_size} observations and "
            f"{agent.shape.action_size} actions, got one with {env.observation_size} and {env.action_space.size}"
        )
    policy = Policy(agent.shape, agent.action_space)
    moments = agent.moments
    policy.load(agent.parameters, *(() if moments is None else (moments.mean(), moments.stdev())))
    rollout = Rollout(env)
    results = [rollout.run(policy, seed + i) for i in range(episodes)]
    return [r.total_reward for r in results], [r.steps for r in results]


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = parser().parse_args(argv)
    if args.episodes < 1 or args.seed < 0:
        parser().error(
            f"expected --episodes of at least 1 and --seed of at least 0, got {args.episodes} and {args.seed}"
        )
    try:
        agent = read_agent(args.file)
        env = environment_of(agent, args.env, args.render)
        returns, lengths = run_episodes(agent, env, args.episodes, args.seed)
    except (AgentFileError, envs.UnknownEnvironment, envs.UnsupportedEnvironment) as error:
        print(f"enjoy: {error}", file=sys.stderr)
        return 1
    env.close()
    stderr = float(np.std(returns, ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else None
    result = {
        "env_name": args.env or agent.metadata.get("re_eval_env_name") or agent.metadata["env_name"],
        "episodes": args.episodes,
        "seed": args.seed,
        "mean": float(np.mean(returns)),
        "median": float(np.median(returns)),
        "min": float(np.min(returns)),
        "max": float(np.max(returns)),
        "stderr": stderr,
        "returns": returns,
        "lengths": lengths,
    }
    if args.json:
        print(json.dumps(result))
    else:
        spread = "" if stderr is None else f" +- {stderr:.1f} (standard error)"
        print(
            f"{result['env_name']}, {args.episodes} episodes from seed {args.seed}: mean return "
            f"{result['mean']:.1f}{spread}, median {result['median']:.1f}, from {result['min']:.1f} to "
            f"{result['max']:.1f}; {np.mean(lengths):.0f} steps on average"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

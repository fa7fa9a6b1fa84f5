"""Run a saved agent and print what it scores: `python -m mpi_pgpe.enjoy FILE`, alone or under `mpirun -n N`.

The episodes are shared among the ranks; the result is the same for any number of them. A window or a
film is a matter of rank 0 alone.
"""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
import importlib.util
import json
import os
import signal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import agent_from_bytes, read_agent, to_bytes
from mpi_pgpe.base.arguments import Parser, add_json, make_minimum
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.text import format_json_line
from mpi_pgpe.cli import stop_requests
from mpi_pgpe.cli.film import Film, Pace, check_display, check_path
from mpi_pgpe.cli.viewer import Viewer
from mpi_pgpe.cli.wrapper_option import add_wrappers, read_wrappers
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import read_promised_rank
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Poll, Result, Run
from mpi_pgpe.parallel.world import World

_EPISODES, _STOP = range(2)  # commands to the other ranks
_LARGEST_SEED = 2**31  # of environments


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.enjoy",
        description="Run a saved agent and print what it scores. Under mpirun the ranks share the episodes.",
    )
    p.add_argument("file", help="a saved agent (.pickle), of this program or of pgpelib (2020)")
    p.add_argument("--episodes", type=make_minimum(1), metavar="N", help="episodes to run (default 10; 1 with --video)")
    p.add_argument("--seed", type=make_minimum(0), default=0, metavar="S",
                   help="episode i, from 0, starts from seed S + i (default 0)")  # fmt: skip
    p.add_argument("--env", metavar="ID", help="environment (default: that of the agent's re-evaluation)")
    add_wrappers(p, "those that the agent was trained with")
    p.add_argument("--policy", metavar="MODULE:CLASS", help="the agent's network, if it is one of your own")
    p.add_argument("--max-episode-length", type=make_minimum(1), metavar="STEPS",
                   help="most steps of an episode (default: the environment's own limit, and 100,000)")  # fmt: skip
    p.add_argument("--video", metavar="OUT", help="write a film of the episodes: OUT.mp4 or OUT.gif; needs no display")
    p.add_argument("--render", action="store_true", help="show the episodes in a window")
    add_json(p)
    return p


def share_episodes(
    farm: Farm, agent: Agent, viewer: Viewer, args: argparse.Namespace, episodes: int
) -> NDArray[np.float64]:
    """Rank 0: have the ranks run the episodes; returns (return, length) of each, shape (episodes, 2)."""
    order = {name: getattr(args, name) for name in ("env", "policy", "seed", "max_episode_length")}
    order["wrappers"] = viewer.wrappers
    farm.world.tell(
        _EPISODES, np.frombuffer(json.dumps(order).encode(), np.uint8), np.frombuffer(to_bytes(agent), np.uint8)
    )
    tasks = Rounds(episodes)
    farm.hand_out(tasks, _episode_of(viewer, args.seed))
    results = tasks.results()
    return np.column_stack([results["fitness"][:, 0], results["interactions"][:, 0]])


def serve(farm: Farm) -> int:
    """Other ranks: run what rank 0 hands out, until it says stop; returns the exit code that it gives."""
    while True:
        command, arrays = farm.world.hear()
        if command == _STOP:
            farm.world.goodbye()
            return int(arrays[0][0])
        order = json.loads(arrays[0].tobytes())
        agent = agent_from_bytes(arrays[1].tobytes())
        places = ("max_episode_length", "wrappers", "policy")
        viewer = Viewer(agent, order["env"], None, *(order[name] for name in places))
        farm.take(_episode_of(viewer, order["seed"]))


def _episode_of(viewer: Viewer, seed: int) -> Run:
    def run(task: int, poll: Poll | None) -> Result:
        episode = viewer.run(seed + task, poll)
        return Result((episode.total_reward, 0.0), (episode.steps, 0))

    return run


def run_here(viewer: Viewer, episodes: int, seed: int, film: Film | None = None) -> NDArray[np.float64]:
    """Run the episodes in this process; returns (return, length) of each, shape (episodes, 2)."""
    results = []
    for i in range(episodes):
        if film is not None and episodes > 1:
            film.title = f"episode {i + 1} of {episodes}   "
        episode = viewer.run(seed + i)
        results.append((episode.total_reward, episode.steps))
    return np.array(results, np.float64)


def run_filmed(viewer: Viewer, episodes: int, seed: int, path: str) -> NDArray[np.float64]:
    """The same, into a film; raises FilmError if it cannot be written."""
    with Film(path, viewer.env.frames_per_second) as film:
        viewer.watch(film)
        return run_here(viewer, episodes, seed, film)


def summarize_episodes(env_name: str, seed: int, results: NDArray[np.float64]) -> dict[str, Any]:
    """What is printed of episodes with (return, length), shape (episodes, 2)."""
    returns, lengths = results[:, 0], results[:, 1]
    return {
        "env_name": env_name,
        "episodes": len(returns),
        "seed": seed,
        "mean": float(np.mean(returns)),
        "median": float(np.median(returns)),
        "min": float(np.min(returns)),
        "max": float(np.max(returns)),
        "stderr": float(np.std(returns, ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else None,
        "returns": returns.tolist(),
        "lengths": [int(n) for n in lengths],
    }


def lead(farm: Farm | None, argv: list[str]) -> int:
    """Rank 0, or a process without MPI: run the command; returns the exit code."""
    args = make_parser().parse_args(argv)
    episodes = args.episodes or (10 if args.video is None else 1)
    _check(args, episodes)
    agent = read_agent(args.file)
    viewer = Viewer(
        agent,
        args.env,
        "human" if args.render else None if args.video is None else "rgb_array",
        args.max_episode_length,
        read_wrappers(args.wrappers),
        args.policy,
    )
    if args.video is not None:
        results = run_filmed(viewer, episodes, args.seed, args.video)
    elif args.render or farm is None:
        if args.render:
            viewer.watch(Pace())
        results = run_here(viewer, episodes, args.seed)
    else:
        results = share_episodes(farm, agent, viewer, args, episodes)
    viewer.env.close()
    result = summarize_episodes(viewer.env_name, args.seed, results)
    if args.video:
        print(f"film: {args.video}")
    spread = "" if result["stderr"] is None else f" +- {result['stderr']:.1f} (standard error)"
    lengths = result["lengths"]
    print(
        f"{result['env_name']}, {episodes} episode{'s' * (episodes > 1)} from seed {args.seed}: mean return "
        f"{result['mean']:.1f}{spread}, median {result['median']:.1f}, from {result['min']:.1f} to "
        f"{result['max']:.1f}; {min(lengths)} to {max(lengths)} steps, {np.mean(lengths):.0f} on average"
    )
    if args.json:
        print(format_json_line(result))
    return 0


def _check(args: argparse.Namespace, episodes: int) -> None:
    if args.seed + episodes > _LARGEST_SEED:
        raise WrongInput(f"--seed: expected at most {_LARGEST_SEED - episodes}, got {args.seed}")
    if args.video is not None and args.render:
        raise WrongInput("expected --video or --render, got both; the film needs no window")
    if args.video is not None:
        check_path(args.video)
        # Box2D's pictures are pygame's, which would look for a screen.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    if args.render:
        check_display()


def main(arguments: list[str]) -> int:
    """All ranks: run the command; returns the exit code."""
    return entry.guard("enjoy", lambda: _enjoy(arguments))


def _enjoy(arguments: list[str]) -> int:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if read_promised_rank() is None and importlib.util.find_spec("mpi4py") is None:  # then MPI is not needed
        return lead(None, arguments)
    farm = Farm(World())
    entry.check_launcher(farm)
    entry.begin_environments()
    farm.world.watch_hosts("start it again")
    if farm.world.rank > 0:
        stop_requests.ignore([signal.SIGINT])
        return serve(farm)
    exit_code = 1
    try:
        exit_code = entry.guard("enjoy", lambda: lead(farm, arguments))
    finally:
        entry.close_environments()
        farm.world.stop(_STOP, exit_code)
    return exit_code


if __name__ == "__main__":
    entry.run(main)

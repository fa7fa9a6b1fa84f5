"""Run a saved agent and print what it scores: `python -m mpi_pgpe.enjoy FILE`, alone or under `mpirun -n N`.

The episodes are shared among the ranks; the result is the same for any number of them. A window or a
film is a matter of rank 0 alone.
"""

from __future__ import annotations

import mpi_pgpe.one_thread  # noqa: F401  (before numpy)

# isort: split
import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe import envs
from mpi_pgpe.agents import Agent, AgentFileError, agent_from_bytes, read_agent, to_bytes
from mpi_pgpe.farm import Abandoned, Farm, Poll, TaskFailed
from mpi_pgpe.film import Film, FilmError, Pace, Watched, check_path
from mpi_pgpe.policies import Policy
from mpi_pgpe.rollout import Episode, Rollout
from mpi_pgpe.schedule import COLUMNS, Rounds
from mpi_pgpe.tools import add_json, at_least, json_line
from mpi_pgpe.train import entry_point, wrong_launcher

_EPISODES, _STOP = range(2)  # commands to the other ranks
_LARGEST_SEED = 2**31  # of environments


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m mpi_pgpe.enjoy",
        description="Run a saved agent and print what it scores. Under mpirun the ranks share the episodes.",
    )
    p.add_argument("file", help="a saved agent (.pickle), of this program or of pgpelib (2020)")
    p.add_argument("--episodes", type=at_least(1), metavar="N", help="episodes to run (default 10; 1 with --video)")
    p.add_argument("--seed", type=at_least(0), default=0, metavar="S",
                   help="episode i, from 0, starts from seed S + i (default 0)")  # fmt: skip
    p.add_argument("--env", metavar="ID", help="environment (default: that of the agent's re-evaluation)")
    p.add_argument("--video", metavar="OUT", help="write a film of the episodes: OUT.mp4 or OUT.gif; needs no display")
    p.add_argument("--render", action="store_true", help="show the episodes in a window")
    add_json(p)
    return p


class Viewer:
    """An agent in an environment.

    Args:
        agent: the agent.
        name: of the environment; None: that of the agent's re-evaluation, with its arguments.
        render_mode: None, "human" or "rgb_array".

    Raises:
        AgentFileError: the agent's file does not say which environment it is for, and `name` is None.
        envs.UnknownEnvironment, envs.UnsupportedEnvironment: the environment cannot be made, or the
            agent does not fit it.
    """

    def __init__(self, agent: Agent, name: str | None, render_mode: str | None = None) -> None:
        data, config = agent.metadata, {}
        if name is None:
            prefix = "re_eval_" if data.get("re_eval_env_name") else ""
            if f"{prefix}env_name" not in data:
                raise AgentFileError("the file does not say which environment the agent is for; give it with --env")
            name, config = str(data[f"{prefix}env_name"]), dict(data.get(f"{prefix}env_config") or {})
        if render_mode is not None:
            config["render_mode"] = render_mode
        self.env_name = name
        self.env = envs.make(name, config)
        shape, space = agent.shape, agent.action_space
        expected = (shape.observation_size, shape.action_size, space.discrete)
        found = (self.env.observation_size, self.env.action_space.size, self.env.action_space.discrete)
        if found != expected:
            described = [f"{n} observations and {m} {'discrete' * d or 'continuous'} actions"
                         for n, m, d in (expected, found)]  # fmt: skip
            raise envs.UnsupportedEnvironment(
                f"expected an environment with {described[0]}, as the agent has, got {name} with {described[1]}"
            )
        self.policy = Policy(shape, space)
        moments = agent.moments
        self.policy.load(agent.parameters, *(() if moments is None else (moments.mean(), moments.stdev())))
        self._rollout = Rollout(self.env)

    def watch(self, look: Any) -> None:
        """Call `look` after each step of the episodes to come; see `film.Look`."""
        self._rollout = Rollout(Watched(self.env, look))

    def run(self, seed: int, poll: Poll | None = None) -> Episode:
        """Run the episode that starts from `seed`."""
        try:
            return self._rollout.run(self.policy, seed, between_steps=poll)
        except (Abandoned, TaskFailed, KeyboardInterrupt):
            raise
        except Exception as error:
            raise TaskFailed(
                f"environment {self.env_name!r} failed (seed {seed}): {type(error).__name__}: {error}\n\n"
                f"{traceback.format_exc()}"
            ) from error


def share(farm: Farm, agent: Agent, viewer: Viewer, env: str | None, episodes: int, seed: int) -> NDArray[np.float64]:
    """Rank 0: have the ranks run the episodes; returns (return, length) of each, shape (episodes, 2)."""
    order = json.dumps({"env": env, "seed": seed}).encode()
    farm.tell(_EPISODES, np.frombuffer(order, np.uint8), np.frombuffer(to_bytes(agent), np.uint8))
    tasks = Rounds(episodes)
    farm.hand_out(tasks, _episode_of(viewer, seed))
    return tasks.results()[:, :2]


def serve(farm: Farm) -> int:
    """Other ranks: run what rank 0 hands out, until it says stop; returns the exit code that it gives."""
    while True:
        command, arrays = farm.hear()
        if command == _STOP:
            farm.goodbye()
            return int(arrays[0][0])
        order = json.loads(arrays[0].tobytes())
        viewer = Viewer(agent_from_bytes(arrays[1].tobytes()), order["env"])
        farm.take(_episode_of(viewer, order["seed"]))


def _episode_of(viewer: Viewer, seed: int) -> Any:
    def run(task: int, poll: Poll | None) -> NDArray[np.float64]:
        episode = viewer.run(seed + task, poll)
        result = np.zeros(COLUMNS)
        result[:2] = episode.total_reward, episode.steps
        return result

    return run


def show(viewer: Viewer, episodes: int, seed: int, video: str | None) -> NDArray[np.float64]:
    """Run the episodes here, in a window or into a film; returns (return, length) of each."""
    film = None if video is None else Film(video, viewer.env.frames_per_second)
    viewer.watch(Pace() if film is None else film)
    results = []
    try:
        for i in range(episodes):
            if film is not None and episodes > 1:
                film.title = f"episode {i + 1} of {episodes}   "
            episode = viewer.run(seed + i)
            results.append((episode.total_reward, episode.steps))
    except BaseException:
        if film is not None:
            film.abandon()
        raise
    if film is not None:
        film.close()
    return np.array(results, np.float64)


def statistics(env_name: str, seed: int, results: NDArray[np.float64]) -> dict[str, Any]:
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


def lead(farm: Farm, argv: list[str]) -> int:
    """Rank 0: run the command; returns the exit code."""
    args = parser().parse_args(argv)
    episodes = args.episodes or (1 if args.video else 10)
    try:
        _check(args, episodes)
        agent = read_agent(args.file)
        viewer = Viewer(agent, args.env, "rgb_array" if args.video else "human" if args.render else None)
        if args.video or args.render:
            results = show(viewer, episodes, args.seed, args.video)
        else:
            results = share(farm, agent, viewer, args.env, episodes, args.seed)
    except (AgentFileError, FilmError, envs.UnknownEnvironment, envs.UnsupportedEnvironment, TaskFailed) as error:
        print(f"enjoy: {error}", file=sys.stderr)
        return 1
    viewer.env.close()
    result = statistics(viewer.env_name, args.seed, results)
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
        print(json_line(result))
    return 0


def _check(args: argparse.Namespace, episodes: int) -> None:
    if args.seed + episodes > _LARGEST_SEED:
        raise FilmError(f"--seed: expected at most {_LARGEST_SEED - episodes}, got {args.seed}")
    if args.video and args.render:
        raise FilmError("expected --video or --render, got both; the film needs no window")
    if args.video:
        check_path(Path(args.video))
        # Box2D's pictures are pygame's, which would look for a screen.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    if args.render and sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        raise FilmError("--render needs a display, and there is none (DISPLAY is not set); use --video OUT.mp4")


def main(arguments: list[str]) -> int:
    """All ranks: run the command; returns the exit code."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    farm = Farm()
    if complaint := wrong_launcher(farm):
        if complaint[0] == 0:
            print(complaint[1], file=sys.stderr)
        return 1
    if farm.rank > 0:
        return serve(farm)
    exit_code = 1
    try:
        exit_code = lead(farm, arguments)
    except SystemExit as end:  # of the command line's parser, which has said what there is to say
        exit_code = int(end.code or 0)
    except KeyboardInterrupt:
        exit_code = 130
    finally:
        farm.stop(_STOP, exit_code)
    return exit_code


if __name__ == "__main__":
    entry_point(lambda argv: main(argv[1:]))

"""Episodes as the trainer runs them against the bare environment: the same episodes, steps per second.

The trainer's side is a whole evaluation of mirrored directions: noise, policy, clipping, normalization, statistics
and seeding included. The bare side resets the same environment with the same seeds and steps it with the actions of
those episodes, prepared beforehand. It is the environment as its library has it, and once more as it is here, where a
fast path serves it. For MuJoCo there is the physics alone, too: the simulator's steps and what the observation needs.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np

from mpi_pgpe import envs
from mpi_pgpe.agents import Agent, AgentFileError, read_agent
from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.search.seeds import seed_table
from mpi_pgpe.training.job import TRAINING, Distribution, Job
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team

LANDER = "LunarLanderContinuous-v2"
ENVIRONMENTS = [
    "HumanoidBulletEnv-v0",
    "Humanoid-v2",
    "Walker2d-v2",
    "mpi_pgpe/Humanoid-v2",
    "Humanoid-v4",
    "Humanoid-v5",
    "mpi_pgpe/Walker2d-v2",
    "Walker2d-v4",
    "Walker2d-v5",
    LANDER,
    "HalfCheetah-v5",
    "CartPole-v1",
]

# A linear policy that hovers: side and main engine against tilt, drift and fall (after gym's own heuristic).
_HOVER = np.zeros((2, 9), np.float32)
_HOVER[0, [1, 3, 8]] = -10, -10, 10 * 0.5 - 1  # main engine: hold half the height
_HOVER[1, [0, 2, 4, 5]] = -5, -10, 10, 20

Episode = tuple[int, list[Any]]


class Recorder:
    """Keeps the seeds and actions of the episodes that an environment runs."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.episodes: list[Episode] = []
        self._own = env.reset, env.step, env.stretch
        env.reset, env.step, env.stretch = self.reset, self.step, None

    def reset(self, seed: int) -> Any:
        self.episodes.append((seed, []))
        return self._own[0](seed)

    def step(self, action: Any) -> Any:
        self.episodes[-1][1].append(action)
        return self._own[1](action)

    def stop(self) -> list[Episode]:
        self.env.reset, self.env.step, self.env.stretch = self._own
        return self.episodes


def _has_own_step(env: Any) -> bool:
    """Whether a fast path has replaced the step of what the adapter serves."""
    return "step" in vars(env._env)


def replay(env: Any, episodes: list[Episode]) -> None:
    """The bare environment, with prepared actions."""
    reset, step = env.reset, env.step
    for seed, actions in episodes:
        reset(seed)
        for action in actions:
            step(action)


def trainer_episodes(
    name: str, directions: int, hidden: tuple[int, ...], profile: bool = False, agent: Agent | None = None
) -> tuple[Team, Callable[[], Rounds]]:
    """A team of this process alone, and a function that evaluates the directions in it, those of an agent if given."""
    team = Team(Farm(World()))
    layers = {"hidden_size": hidden[0], "num_hidden": len(hidden)} if hidden else {"num_hidden": 0}
    settings = Settings.check(
        {"env_name": name, "re_eval_env_name": None, "popsize": 2 * directions, "seed": 1} | layers
    )
    team.start(Job.from_settings(settings, profile))
    env = team.environment(TRAINING)
    shape = PolicyShape(env.observation_size, env.action_space.size, hidden)
    n, n_obs = shape.num_parameters, shape.observation_size
    center, stdev = np.zeros(n, np.float32), np.full(n, np.float32(0.1 / np.sqrt(n)))
    if name == LANDER:
        weights = _HOVER
        center = np.concatenate([weights[:, :-1].ravel(), weights[:, -1]]).astype(np.float32)
        stdev = np.full(n, np.float32(1e-4))
    mean, obs_stdev = (np.zeros(n_obs), np.ones(n_obs)) if name != LANDER else (None, None)
    if agent is not None:
        if not isinstance(agent.shape, PolicyShape) or agent.shape.cell or agent.shape.layers() != shape.layers():
            raise SystemExit(f"the agent is none for {name}; name its environment with --env")
        center = agent.parameters
        if agent.moments is not None:
            mean, obs_stdev = agent.moments.mean(), agent.moments.stdev()
    distribution = Distribution(0, center, stdev, mean, obs_stdev, seed_table(1, 0, directions))

    def evaluate() -> Rounds:
        tasks = Rounds(directions)
        team.evaluate(TRAINING, distribution, tasks)
        return tasks

    return team, evaluate


def physics_alone(name: str, env: Any, episodes: list[Episode]) -> None:
    """What of `replay` is MuJoCo's."""
    import mujoco

    inner = env._env
    model, data, frame_skip, step = inner.model, inner.data, inner.frame_skip, mujoco.mj_step
    control, forces = data.ctrl, re.search(r"(Humanoid-v[45]|Ant-v5)$", name)
    for seed, actions in episodes:
        env.reset(seed)
        for action in actions:
            control[:] = action
            step(model, data, frame_skip)
            if forces:
                mujoco.mj_rnePostConstraint(model, data)


def measure(name: str, steps: int, hidden: tuple[int, ...], repeats: int, agent: Agent | None) -> common.Row:
    """The ratios of one environment."""
    _, evaluate = trainer_episodes(name, 2, hidden, agent=agent)
    directions = max(1, round(2 * steps / evaluate().results()["interactions"].sum()))
    team, evaluate = trainer_episodes(name, directions, hidden, agent=agent)
    env = team.environment(TRAINING)
    recorder = Recorder(env)
    evaluate()
    episodes = recorder.stop()
    total = sum(len(actions) for _, actions in episodes)

    library = next(iter(env.origin))
    plain = envs.make(name, {}, fast=False)
    others = {library: functools.partial(replay, plain, episodes)}
    if _has_own_step(env) and not _has_own_step(plain):
        others["fast path"] = functools.partial(replay, env, episodes)
    if "mujoco" in env.origin:
        others["physics"] = functools.partial(physics_alone, name, env, episodes)
    if name == LANDER and (lander := _gymnasium_lander()) is not None:
        others["gymnasium"] = functools.partial(replay, lander, episodes)
    trainer_times, *other_times = common.interleaved([evaluate, *others.values()], repeats)
    row: common.Row = {
        "environment": name,
        "steps an episode": total / len(episodes),
        "trainer, steps/s": total / min(trainer_times),
        "library": library,
        "bare, steps/s": total / min(other_times[0]),
    }
    for label, times in zip(others, other_times, strict=True):
        row["of bare" if label == library else f"of {label}"] = common.median_ratio(times, trainer_times)
    return row


def _gymnasium_lander() -> Any:
    """gymnasium's bare lander, if it is installed; the same game, without gym's smoke particles."""
    try:
        import gymnasium
    except ImportError:
        return None
    env = gymnasium.make("LunarLanderContinuous-v3").unwrapped

    class Bare:
        step = env.step

        @staticmethod
        def reset(seed: int) -> None:
            env.reset(seed=seed)

    return Bare


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "--env", nargs="+", metavar="ID", default=ENVIRONMENTS, help="environments; those not installed are left out"
    )
    parser.add_argument(
        "--steps", metavar="N", type=make_minimum(1), default=4000, help="steps of a measurement, about"
    )
    parser.add_argument("--hidden", metavar="UNITS", type=make_minimum(1), nargs="*", default=[],
                        help="units in each hidden layer of the policy; none: linear")  # fmt: skip
    parser.add_argument("--agent", metavar="FILE", type=Path,
                        help="a saved agent around which the policies lie; --env names its environment")  # fmt: skip
    args = parser.parse_args()
    try:
        agent = None if args.agent is None else read_agent(args.agent)
    except AgentFileError as error:
        parser.error(str(error))
    hidden = tuple(args.hidden)
    if agent is not None:
        hidden = agent.shape.hidden if isinstance(agent.shape, PolicyShape) else ()
    rows = []
    for name in common.each(args.env):
        try:
            envs.check_name(name)
        except envs.UnknownEnvironment as error:
            print(f"left out: {error}")
            continue
        rows.append(measure(name, args.steps, hidden, args.repeats, agent))
    if not rows:
        raise SystemExit("no environment is left")
    common.report(
        "Episodes as the trainer runs them, in steps per second, and as a part of what else makes them", rows, args.json
    )


if __name__ == "__main__":
    main()

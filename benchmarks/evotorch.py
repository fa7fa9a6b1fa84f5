"""Training by this program against training by EvoTorch (PGPE, ClipUp, Ray actors), on the same cores.

    python benchmarks/evotorch.py

The same environments, policies, populations and settings, in turns; steps per second over whole generations, all that
belongs to them included (here recording, too), but the first, in which processes start. EvoTorch gets a virtual
environment of its own. It knows gymnasium alone, so PyBullet's environment is handed to it in the thinnest possible
wrapper. "Bare" is the library's environment in as many processes, with small random actions and nothing else.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common

from mpi_pgpe.base.arguments import make_minimum

CASES = {
    "HumanoidBulletEnv-v0": {"hidden": 64, "max_speed": 0.15, "popsize": 400},
    "Walker2d-v5": {"hidden": 0, "max_speed": 0.015, "popsize": 400},
}
PACKAGES = ["evotorch==0.6.1", "gym", "gymnasium", "mujoco", "imageio", "pybullet", "torch", "numpy", "setuptools"]
CONSTRAINTS = Path(__file__).parent.parent / "bin" / "constraints.txt"

EVOTORCH = """
import json, sys, time, logging, warnings
warnings.simplefilter("ignore")
from evotorch.algorithms import PGPE
from evotorch.neuroevolution import GymNE
name, case, ranks, generations = json.loads(sys.argv[1])

def bullet():
    import gym.envs.registration, gymnasium
    from gym.envs.registration import registry
    gym.envs.registration.registry = type("Registry", (dict,), {"env_specs": registry})(registry)  # for pybullet_envs
    import pybullet_envs
    registry = gym.envs.registration.registry
    spec = registry[name]
    module, _, kind = spec.entry_point.partition(":")
    inner = getattr(__import__(module, fromlist=[kind]), kind)(**spec.kwargs)

    class InGymnasium(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(inner.observation_space.low, inner.observation_space.high)
        action_space = gymnasium.spaces.Box(inner.action_space.low, inner.action_space.high)

        def reset(self, *, seed=None, options=None):
            self.left = spec.max_episode_steps
            return inner.reset(), {}

        def step(self, action):
            self.left -= 1
            observation, reward, done, info = inner.step(action)
            return observation, reward, done, self.left == 0, info

    return InGymnasium()

hidden, speed = case["hidden"], case["max_speed"]
network = f"Linear(obs_length, {hidden}) >> Tanh() >> Linear({hidden}, act_length)" if hidden else (
    "Linear(obs_length, act_length)")
problem = GymNE(bullet if "Bullet" in name else name, network, observation_normalization=True, num_actors=ranks)
search = PGPE(problem, popsize=case["popsize"], center_learning_rate=speed / 2, stdev_learning_rate=0.1,
              radius_init=speed * 15, optimizer="clipup", optimizer_config={"max_speed": speed})
search.step()
steps, began = search.status["total_interaction_count"], time.perf_counter()
for _ in range(generations):
    search.step()
print((search.status["total_interaction_count"] - steps) / (time.perf_counter() - began))
"""

BARE = """
import sys, time
import numpy as np
from mpi_pgpe import envs
env = envs.make(sys.argv[1], {}, fast=False)
actions = list(np.random.default_rng(0).normal(0, 0.1, (1000, env.action_space.size)).astype(np.float32))
seed = steps = 0
began = time.perf_counter()
while time.perf_counter() < began + float(sys.argv[2]):
    env.reset(seed)
    for step in range(env.time_limit):
        _, _, terminated, _, _ = env.step(actions[steps % 1000])
        steps += 1
        if terminated:
            break
    seed += 1
print(steps / (time.perf_counter() - began))
"""


def environment(folder: Path) -> Path:
    """The Python of EvoTorch's virtual environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing EvoTorch in {folder}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, *PACKAGES], check=True)
    return python


def evotorch(python: Path, name: str, ranks: int, generations: int) -> float:
    """Steps per second of EvoTorch."""
    argv = [str(python), "-c", EVOTORCH, json.dumps([name, CASES[name], ranks, generations])]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"EvoTorch failed:\n{done.stderr[-3000:]}")
    return float(done.stdout.splitlines()[-1])


def ours(name: str, ranks: int, generations: int) -> float:
    """Steps per second of this program."""
    case = CASES[name]
    settings = {
        "env_name": name if "Bullet" in name else f"gymnasium/{name}",
        "re_eval_env_name": "None",
        "popsize": case["popsize"],
        "popsize_max": "None",
        "num_interactions": "None",
        "max_speed": case["max_speed"],
        "num_hidden": int(bool(case["hidden"])),
        "hidden_size": case["hidden"] or 1,
        "niters": generations + 1,
        "re_eval_interval": 1000,
        "re_eval_num_episodes": 1,
        "seed": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "mpi_pgpe.train", "-l", "ERROR", "-F", folder, "with"]
        program += [f"{key}={value}" for key, value in settings.items()]
        common.output([common.mpiexec(), "-n", str(ranks), *program])
        lines = Path(folder, "1", "metrics.jsonl").read_text().splitlines()
    first, last = (json.loads(lines[i]) for i in (0, -1))
    return (last["timesteps"] - first["timesteps"]) / (last["elapsed"] - first["elapsed"])


def bare(name: str, ranks: int, seconds: float = 10.0) -> float:
    """Steps per second of the library's environment in all processes together."""
    processes = [
        subprocess.Popen([sys.executable, "-c", BARE, name, str(seconds)], stdout=subprocess.PIPE, text=True)
        for _ in range(ranks)
    ]
    return sum(float(process.communicate()[0]) for process in processes)


def measure(name: str, python: Path, ranks: int, generations: int, repeats: int) -> common.Row:
    """One environment."""
    turns = [
        (ours(name, ranks, generations), evotorch(python, name, ranks, generations), bare(name, ranks))
        for _ in range(repeats)
    ]
    return {
        "environment": name,
        "policy": f"{CASES[name]['hidden']} tanh" if CASES[name]["hidden"] else "linear",
        "popsize": CASES[name]["popsize"],
        "cores": ranks,
        "mpi_pgpe, steps/s": statistics.median(a for a, _, _ in turns),
        "EvoTorch, steps/s": statistics.median(b for _, b, _ in turns),
        "bare, steps/s": statistics.median(c for _, _, c in turns),
        "of EvoTorch": statistics.median(a / b for a, b, _ in turns),
        "of bare": statistics.median(a / c for a, _, c in turns),
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--env", nargs="+", metavar="ID", choices=list(CASES), default=list(CASES), help="environments")
    parser.add_argument("--ranks", metavar="N", type=make_minimum(1), default=2, help="ranks, and actors of Ray")
    parser.add_argument(
        "--generations", metavar="N", type=make_minimum(1), default=8, help="generations of one measurement"
    )
    parser.add_argument(
        "--venv",
        metavar="FOLDER",
        type=Path,
        default=Path(tempfile.gettempdir(), "mpi_pgpe_evotorch"),
        help="EvoTorch's virtual environment",
    )
    args = parser.parse_args()
    python = environment(args.venv.absolute())
    rows = [measure(name, python, args.ranks, args.generations, args.repeats) for name in common.each(args.env)]
    common.report("Training against EvoTorch", rows, args.json)


if __name__ == "__main__":
    main()

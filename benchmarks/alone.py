"""Whether an episode is itself, whatever ran before it: episodes in several orders, processes and heaps, compared.

Each episode has a policy of its own: random linear ones of several scales, most of which fall at once, and the agents
given with --agent (or known here for the environment), with noise from none, so that they walk, to so much that they
fall. A block of episodes is played forward, in reverse and shuffled, and a random part of it in random order, each in a
process of its own with another heap; beside another client of the simulator that takes steps; after episodes that were
cut short or raised; and a sample in environments made for each. Return, steps and moments of the observations have to
be the same bits each time. A block that is done is a line in FILE, and is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import common
import numpy as np

from mpi_pgpe import __version__
from mpi_pgpe.agents import Agent, AgentFileError, read_agent, write_agent
from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.base.text import format_json_line
from mpi_pgpe.cli.numbered_episodes import Cast, Order, find_differences
from mpi_pgpe.cli.other_process import FILLED, HOLES, MAPPED, PLAIN, Heap, OtherProcessFailed, play_all
from mpi_pgpe.envs.quiet import silent_output
from mpi_pgpe.envs.registry import path_in_order
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

TESTS = Path(__file__).parent.parent / "tests"
LANDERS = ("LunarLanderContinuous-v2", "LunarLanderContinuous-v3")
TINY = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"


def orders(numbers: range, fresh: int) -> list[tuple[Heap, list[Order]]]:
    """How a block of episodes is played: what each process does, and with what heap."""
    random = np.random.default_rng(numbers.start)
    shuffled = random.permutation(numbers).tolist()
    part = random.permutation(numbers)[: (len(numbers) + 2) // 3].tolist()
    sample = random.permutation(numbers)[:fresh].tolist()
    return [
        (PLAIN, [Order("forward", numbers)]),
        (HOLES, [Order("reversed", numbers[::-1])]),
        (MAPPED, [Order("shuffled, beside another client", shuffled, beside=True)]),
        (
            FILLED,
            [
                Order("fresh", sample, fresh=True),
                Order("a part, after episodes cut short or raised", part, cut_short=8, raised=50),
            ],
        ),
    ]


def trained_in_bullet(name: str) -> Agent | None:
    """The policy that pybullet_envs has among its examples for a walker: it walks."""
    task = "Humanoid" if name == TINY else name.partition("BulletEnv")[0].rpartition("/")[2]
    try:
        with silent_output(), path_in_order():
            example = importlib.import_module(f"pybullet_envs.examples.enjoy_TF_{task}BulletEnv_v0_2017may")
    except ImportError:
        return None
    layers = [(getattr(example, f"weights_{layer}_w").T, getattr(example, f"weights_{layer}_b").copy())
              for layer in ("dense1", "dense2", "final")]  # fmt: skip
    if task == "Humanoid":  # it was trained with another height of the floor
        layers[0][1][:] += layers[0][0][:, 0] * (-1.4 + 0.8)
    (hidden1, n_in), (hidden2, _), (n_out, _) = (weights.shape for weights, _ in layers)
    parameters = np.concatenate([part.ravel() for layer in layers for part in layer]).astype(np.float32)
    return Agent(parameters, PolicyShape(n_in, n_out, (hidden1, hidden2), "relu"), ActionSpace(n_out))


def known_agents(name: str, folder: Path) -> list[Path]:
    """Files of trained agents for an environment; those that are no files yet are written to `folder`."""
    id = name.rpartition("/")[2]
    if id in LANDERS:
        return [TESTS / "data/pgpelib_lunarlander.pickle"]
    if "BulletEnv" in id and (agent := trained_in_bullet(name)) is not None:
        write_agent(folder / "trained.pickle", agent)
        return [folder / "trained.pickle"]
    task, _, version = id.rpartition("-")
    file = TESTS / f"data/{task}-v2.pickle"  # walks or stumbles in later versions, too; the Humanoid's v5 observes less
    fits = version in ("v2", "v4") or (version == "v5" and task != "Humanoid")
    return [file] if fits and file.is_file() else []


def play_block(cast: Cast, numbers: range, fresh: int, processes: int) -> common.Row:
    """Play a block in all orders; returns its row."""
    began = time.time()
    work = orders(numbers, fresh)
    with ThreadPoolExecutor(processes) as pool:
        results = list(pool.map(lambda each: play_all(cast, each[1], each[0]), work))
    plays = [outcomes for result in results for outcomes in result.plays]
    steps = np.array([outcome.steps for outcome in plays[0].values()])
    wrong = find_differences(plays)
    row: common.Row = {
        **identity(cast, numbers.start),
        "versions": results[0].origin | {"numpy": np.__version__},
        "episodes": len(numbers),
        "steps": int(steps.sum()),
        "shortest": int(steps.min()),
        "median": float(np.median(steps)),
        "longest": int(steps.max()),
        "played": sum(map(len, plays)),
        "fresh": min(fresh, len(numbers)),
        "orders": [order.name for _, found in work for order in found],
        "differing": len(wrong),
        "seconds": round(time.time() - began, 1),
        "commit": common.commit(),
    }
    if wrong:
        row["which"] = [
            {
                "episode": n,
                "seen": [[p[n].total_reward, p[n].steps, p[n].bits.hex()] if n in p else None for p in plays],
            }
            for n in wrong[:20]
        ]
    return row


def identity(cast: Cast, first: int) -> dict[str, Any]:
    """What a block is known by in the file of results."""
    agents = len(cast.agents)
    return {
        "environment": cast.name, "config": dict(cast.config), "fast": cast.fast, "most": cast.longest,
        "neighbour": cast.neighbour, "agents": agents, "first": first, "mpi_pgpe": __version__,
        "numpy": np.__version__,
    }  # fmt: skip


def read(path: Path) -> list[common.Row]:
    """The blocks that a file has; a line that was cut off in the middle is none."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def cut_off(path: Path) -> str:
    """What ends the file's last line if that was cut off."""
    return "\n" if path.exists() and not path.read_text().endswith("\n") and path.stat().st_size else ""


def table(rows: Sequence[common.Row]) -> list[common.Row]:
    """A row for each environment, its versions and settings."""
    found: dict[str, common.Row] = {}
    for row in rows:
        versions = ", ".join(f"{package} {version}" for package, version in row["versions"].items())
        notes = [] if row["fast"] else ["env_fast=False"]
        notes += [f"at most {row['most']} steps"] if row["most"] else []
        notes += [f"{key}={value}" for key, value in row["config"].items()]
        name = f"{row['environment']} ({', '.join(notes)})" if notes else row["environment"]
        total = found.setdefault(f"{name} {versions}", {"environment": name, "versions": versions, "episodes": 0,
                                 "walking": 0, "fresh": 0, "steps": 0, "played": 0, "differing": 0,
                                 "seconds": 0})  # fmt: skip
        for column in ("episodes", "fresh", "steps", "played", "differing", "seconds"):
            total[column] += row[column]
        total["walking"] += row["episodes"] // 2 if row["agents"] else 0
    for total in found.values():
        total["seconds per thousand"] = round(1000 * total.pop("seconds") / total["episodes"])
    return list(found.values())


def dictionary(text: str) -> dict[str, Any]:
    """The type of an argument: a JSON object."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f'expected arguments such as {{"gravity": -5}}, got {text!r}')
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", metavar="ENV", nargs="*", type=common.environment, help="environments")
    parser.add_argument("--episodes", metavar="N", type=make_minimum(1), default=1000, help="of each (1000)")
    parser.add_argument("--block", metavar="N", type=make_minimum(1), default=1000,
                        help="episodes of one set of processes, and one line of results (1000)")  # fmt: skip
    parser.add_argument("--fresh", metavar="N", type=make_minimum(0), default=25,
                        help="those of a block that are also played in environments made for each (25)")  # fmt: skip
    parser.add_argument("--most-steps", metavar="N", type=make_minimum(1),
                        help="of an episode; the environment's own limit unless it is given")  # fmt: skip
    parser.add_argument("--env-config", metavar="DICT", type=dictionary, default={}, help="arguments, in JSON")
    parser.add_argument("--slow", action="store_true", help="without the fast paths, as env_fast=False has it")
    parser.add_argument("--beside", metavar="ENV", type=common.environment,
                        help="the other client's environment (another one of the same)")  # fmt: skip
    parser.add_argument("--agent", metavar="FILE", type=Path, nargs="+", help="saved agents (those known here)")
    parser.add_argument("--processes", metavar="N", type=make_minimum(1), default=2, help="at a time (2)")
    parser.add_argument("--results", metavar="FILE", type=common.writable, help="where blocks are kept: JSON lines")
    parser.add_argument("--json", action="store_true", help="print the blocks as lines of JSON")
    parser.add_argument("--table", action="store_true", help="print the table of all that the file of results has")
    args = parser.parse_args()
    if args.table and not args.results:
        parser.error("--table: expected --results FILE beside it")
    for file in args.agent or ():
        try:
            read_agent(file)
        except AgentFileError as error:
            parser.error(f"--agent: {error}")
    done = read(args.results) if args.results else []
    for name in args.env:
        with tempfile.TemporaryDirectory() as folder:
            agents = tuple(map(str, args.agent or known_agents(name, Path(folder))))
            cast = Cast(name, args.env_config, not args.slow, agents, args.most_steps, args.beside)
            for first in range(0, args.episodes, args.block):
                numbers = range(first, min(first + args.block, args.episodes))
                key = identity(cast, first) | {"episodes": len(numbers)}
                row = next((row for row in done if key.items() <= row.items()), None)
                if row is None:
                    try:
                        row = play_block(cast, numbers, args.fresh, args.processes)
                    except OtherProcessFailed as error:
                        raise SystemExit(f"{name}: {error}") from None
                    if args.results:
                        with args.results.open("a") as file:
                            file.write(f"{cut_off(args.results)}{format_json_line(row)}\n")
                    done.append(row)
                if args.json:
                    print(format_json_line(row), flush=True)
                elif not args.table:
                    print(f"| {' | '.join(str(value) for value in table([row])[0].values())} |", flush=True)
    if args.table:
        common.report("Episodes that did not come out with the same bits each time", table(done))
    raise SystemExit(1 if any(row["differing"] for row in done if row["environment"] in args.env) else 0)


if __name__ == "__main__":
    main()

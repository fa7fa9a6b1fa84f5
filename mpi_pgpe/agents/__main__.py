"""Look at saved agents, and convert them: `python -m mpi_pgpe.agents show FILE`, `... convert FILE OUT`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
from dataclasses import asdict
from typing import Any

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import read_agent, write_agent
from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import UserError
from mpi_pgpe.base.text import format_json_line, make_printable
from mpi_pgpe.policies.own import OwnShape


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(prog="python -m mpi_pgpe.agents", description="Look at saved agents, and convert them.")
    commands = p.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="print what is known of a saved agent")
    show.add_argument("file", help="a saved agent (.pickle), of this program or of pgpelib (2020)")
    add_json(show)
    convert = commands.add_parser("convert", help="write a saved agent of pgpelib (2020) in the format of this program")
    convert.add_argument("file", help="the agent of pgpelib")
    convert.add_argument("out", help="the file to write")
    return p


def describe_agent(agent: Agent) -> dict[str, Any]:
    """What `show` prints of an agent."""
    shape, space, moments = agent.shape, agent.action_space, agent.moments
    policy = {"parameters": shape.num_parameters} | asdict(shape)
    if isinstance(shape, OwnShape):
        policy["class"] = policy.pop("name")
        del policy["num_parameters"]
    else:
        usual = {"activation": not shape.hidden or shape.cell in ("gru", "lstm"), "bias": shape.bias}
        usual["cell"] = not shape.cell
        policy = {name: value for name, value in policy.items() if not usual.get(name)}
    return {
        "policy": policy,
        "action_space": {"discrete": space.size, "start": space.start}
        if space.low is None or space.high is None
        else {"low": space.low.tolist(), "high": space.high.tolist()},
        **({} if agent.observation_layout is None else {"observations": str(agent.observation_layout)}),
        **({} if space.layout is None else {"actions": str(space.layout)}),
        "normalization": None
        if moments is None
        else {"count": moments.count, "mean": moments.mean().tolist(), "stdev": moments.stdev().tolist()},
        "metadata": agent.metadata,
    }


def _print(name: str, value: Any, indent: int = 0) -> None:
    if isinstance(value, dict) and value:
        print(f"{' ' * indent}{make_printable(name)}:")
        for key, item in value.items():
            _print(str(key), item, indent + 2)
        return
    if isinstance(value, (list, tuple)):
        items = [f"{item:.6g}" if isinstance(item, float) else str(item) for item in value]
        value = " ".join(items if len(items) <= 12 else [*items[:6], "...", *items[-3:], f"({len(items)} in all)"])
    print(f"{' ' * indent}{make_printable(name)}: {make_printable(str(value))}")


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return entry.guard("agents", lambda: _show_or_convert(arguments))


def _show_or_convert(arguments: list[str]) -> int:
    args = make_parser().parse_args(arguments)
    agent = read_agent(args.file)
    if args.command == "convert":
        try:
            write_agent(args.out, agent)
        except OSError as error:
            raise UserError(f"{args.out}: cannot be written: {error.strerror}") from None
        print(args.out)
        return 0
    shown = {"file": args.file} | describe_agent(agent)
    if args.json:
        print(format_json_line(shown))
    else:
        for name, value in shown.items():
            _print(name, value)
    return 0


if __name__ == "__main__":
    entry.run(main)

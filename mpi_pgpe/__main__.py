"""All commands in one: `python -m mpi_pgpe COMMAND ...`, or `mpi_pgpe COMMAND ...` where it is installed."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.cli import entry

COMMANDS = {
    "train": ("mpi_pgpe.train", "train an agent; under mpirun -n N on N cores"),
    "enjoy": ("mpi_pgpe.enjoy", "run a saved agent: its scores, a window or a film"),
    "runs": ("mpi_pgpe.runs.__main__", "list recorded runs: what has become of each"),
    "plot": ("mpi_pgpe.plot", "draw learning curves of recorded runs"),
    "export": ("mpi_pgpe.export", "hand recorded runs to TensorBoard, MLflow, wandb or CSV files"),
    "compare": ("mpi_pgpe.compare", "tell whether two recorded runs are the same run"),
    "agents": ("mpi_pgpe.agents.__main__", "show what is in a saved agent, or convert one of pgpelib"),
    "sync": ("mpi_pgpe.sync", "deliver recorded runs to MongoDB"),
    "doctor": ("mpi_pgpe.doctor", "look at this installation: MPI, environments, packages"),
}
"""(module with the `main` of the command, what it does) by name."""


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names; returns its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(format_commands())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        return entry.guard("mpi_pgpe", lambda: _refuse(name))
    return importlib.import_module(COMMANDS[name][0]).main(rest)


def format_commands() -> str:
    """The commands with what they do."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["python -m mpi_pgpe COMMAND ...", "", *lines, "", "COMMAND -h says more."])


def _refuse(name: str) -> NoReturn:
    raise WrongInput(f"{name}: expected one of the commands {', '.join(COMMANDS)}")


def program() -> NoReturn:
    """The console command."""
    entry.begin()
    entry.run(main, sys.argv[1:])


if __name__ == "__main__":
    program()

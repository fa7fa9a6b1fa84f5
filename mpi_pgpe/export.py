"""Hand recorded runs to other tools: `python -m mpi_pgpe.export RUN [RUN ...] --to TOOL [--follow]`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import importlib
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.text import format_json_line, make_printable
from mpi_pgpe.exports.output import Output, Writer
from mpi_pgpe.runs.artifacts import list_artifacts
from mpi_pgpe.runs.dead_runs import RUNNING
from mpi_pgpe.runs.joined import gather_records, join_records
from mpi_pgpe.runs.reader import RecordedRun, add_arguments, read_runs

_TOOLS = {
    "tensorboard": "mpi_pgpe.exports.event_files:EventFiles",
    "mlflow": "mpi_pgpe.exports.mlflow_store:MlflowStore",
    "wandb": "mpi_pgpe.exports.wandb_files:WandbFiles",
    "csv": "mpi_pgpe.exports.tables:Tables",
}
_GOES_ON = (RUNNING, "QUEUED")
_SECONDS_BETWEEN, _SHARE = 2.0, 1 / 10  # of the time, for a look at runs that grow


def make_parser() -> Parser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.export",
        description="Hand recorded runs to another tool, by its own writer: every metric by generation and by "
        "environment steps, the settings as hyperparameters, the agents as artifacts. It may be given again at any "
        "time: only what is new is added, after a kill too.",
    )
    p.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run (results/1) or of several (results)")
    p.add_argument("--to", required=True, choices=_TOOLS, help="the tool")
    p.add_argument("-o", "--output", metavar="FOLDER", help="where to (default: exported/TOOL)")
    p.add_argument("--follow", action="store_true", help="go on until the runs have ended")
    add_arguments(p)
    add_json(p)
    return p


def find_writer(tool: str) -> type[Writer]:
    """What writes for a tool.

    Raises:
        WrongInput: its package is not installed.
    """
    module, _, name = _TOOLS[tool].partition(":")
    writer: type[Writer] = getattr(importlib.import_module(module), name)
    for package in writer.needs:
        if importlib.util.find_spec(package) is None:
            raise WrongInput(
                f"--to {tool}: expected the package {package}, which is not installed: pip install {package}"
            )
    return writer


class _Told:
    """Says each thing once, however often the runs are read."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            print(make_printable(message), file=sys.stderr, flush=True)


def export(
    names: list[str], mongo: str | None, output: Output, follow: bool
) -> list[tuple[RecordedRun, dict[str, Any]]]:
    """Bring the output up to date with these runs; with `follow` until they have ended.

    Returns:
        for each run: it, and what came of it.
    """
    tell = _Told()
    new: dict[str, int] = {}
    while True:
        began = time.monotonic()
        runs = read_runs(names, mongo, begun=not follow, tell=tell)
        done = []
        for records in gather_records([run for run in runs if run.begun]):
            whole = join_records(records)
            artifacts = list_artifacts(records, mongo, tell)
            name, generations = output.export(whole, artifacts)
            new[name] = new.get(name, 0) + generations
            done.append((whole, {"run": whole.name, "name": name, "status": whole.status, "new_generations": new[name],
                                 "generations": len(whole.generations), "artifacts": len(artifacts)}))  # fmt: skip
        if not (follow and any(run.status in _GOES_ON for run in runs)):
            return done
        time.sleep(max(_SECONDS_BETWEEN, (time.monotonic() - began) / _SHARE))


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return entry.guard("export", lambda: _export(arguments))


def _export(arguments: list[str]) -> int:
    args = make_parser().parse_args(arguments)
    writer = find_writer(args.to)
    folder = Path(args.output or f"exported/{args.to}")
    if not args.follow:
        read_runs(args.runs, args.mongo)  # what cannot be read is told before a folder is made
    output = Output(folder, writer)
    try:
        done = export(args.runs, args.mongo, output, args.follow)
    finally:
        output.close()
    for run, what in done:
        print(make_printable(
            f"{run.name}: {what['new_generations']} new of {what['generations']} generations, {what['artifacts']} "
            f"agents ({run.status}) in {folder} as {what['name']}"
        ))  # fmt: skip
    print(make_printable(f"to look at it: {writer.shows.format(folder=folder)}"))
    if args.json:
        print(format_json_line({"output": str(folder), "tool": args.to, "runs": [what for _, what in done]}))
    return 0


if __name__ == "__main__":
    entry.run(main)

"""List recorded runs: `python -m mpi_pgpe.runs [FOLDER|DATABASE]`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.text import format_json_line, make_printable
from mpi_pgpe.runs.mongo.access import open_database
from mpi_pgpe.runs.reader import add_arguments
from mpi_pgpe.runs.summary import Summary, summarize_documents, summarize_folders

_SORTED_BY: dict[str, Callable[[Summary], Any]] = {
    "name": lambda run: 0,  # the order in which they are read
    "date": lambda run: 0.0 if run.started is None else run.started.timestamp(),
    "best": lambda run: -float("inf") if run.best is None else run.best,
    "generation": lambda run: run.generation,
    "status": lambda run: run.status,
    "env_name": lambda run: run.env_name,
}
_FIELDS = ("run", "status", "generation", "niters", "best", "host")


def make_parser() -> Parser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.runs",
        description="List recorded runs, one line each: status (DEAD if the program is gone), environment, generation "
        "of how many, best mean return of a re-evaluation, age, host.",
    )
    p.add_argument(
        "where", nargs="?", metavar="FOLDER|DATABASE", help="results, results/1, or HOST:PORT:DB (default: results)"
    )
    p.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        dest="conditions",
        help="only runs with these: settings, or " + ", ".join(_FIELDS),
    )
    p.add_argument("--sort", choices=_SORTED_BY, default="name", help="by what (default: name)")
    p.add_argument("--reverse", action="store_true", help="the other way round")
    add_arguments(p, "list the runs of this MongoDB")
    add_json(p)
    return p


def parse_condition(text: str) -> tuple[str, str]:
    """(name, value) of a condition.

    Raises:
        WrongInput: it is none.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise WrongInput(f"--where: expected NAME=VALUE, such as env_name=CartPole-v1 or status=RUNNING, got {text!r}")
    return name, value


def select_runs(runs: list[Summary], conditions: list[tuple[str, str]]) -> list[Summary]:
    """The runs that fulfil all conditions; values are compared as they are printed.

    Raises:
        WrongInput: a name is neither in the list nor a setting of any run.
    """
    for name, _ in conditions:
        if runs and name not in _FIELDS and not any(name in run.config for run in runs):
            settings = sorted({key for run in runs for key in run.config})
            raise WrongInput(f"--where: expected {', '.join(_FIELDS)} or a setting of these runs, got {name!r}; "
                             f"settings: {', '.join(settings)}")  # fmt: skip

    def fulfils(run: Summary, name: str, value: str) -> bool:
        found = getattr(run, name) if name in _FIELDS else run.config.get(name, _MISSING)
        return str(found) == value or (isinstance(found, float) and _is_number(value) and float(value) == found)

    return [run for run in runs if all(fulfils(run, *condition) for condition in conditions)]


_MISSING = object()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def format_age(seconds: float | None) -> str:
    """An age in its two largest units: 3 d 4 h."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == "s")


def format_lines(runs: list[Summary]) -> list[str]:
    """The table, with a first line of names."""
    rows = [("run", "status", "environment", "generation", "best", "age", "host")]
    for run in runs:
        niters = "?" if run.niters is None else run.niters
        best = "" if run.best is None else f"{run.best:.6g}"
        rows.append(
            (run.run, run.status, run.env_name, f"{run.generation}/{niters}", best, format_age(run.age), run.host)
        )
    cells = [[make_printable(cell, 80) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return lines + [make_printable(f"damaged: {run.damage}") for run in runs if run.damage]


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return entry.guard("runs", lambda: _list(arguments))


def _list(arguments: list[str]) -> int:
    args = make_parser().parse_args(arguments)
    conditions = [parse_condition(text) for text in args.conditions]
    address = args.mongo
    if address is None and args.where and ":" in args.where and not os.path.lexists(args.where):
        address = args.where
    elif address is not None and args.where:
        raise WrongInput(f"expected a folder or --mongo, got both: {args.where} and --mongo")
    if address is None:
        runs = summarize_folders(Path(args.where or "results"))
    else:
        with open_database(address) as (database, _):
            runs = summarize_documents(database)
    chosen = sorted(select_runs(runs, conditions), key=_SORTED_BY[args.sort])
    if args.reverse:
        chosen.reverse()
    for line in format_lines(chosen):
        print(line)
    if args.json:
        print(format_json_line({"runs": [_as_json(run) for run in chosen]}))
    return 0


def _as_json(run: Summary) -> dict[str, Any]:
    times = {name: value and value.isoformat() for name in ("started", "heartbeat") for value in [getattr(run, name)]}
    return asdict(run) | times | {"age": run.age}


if __name__ == "__main__":
    entry.run(main)

"""Are two recorded runs the same run? `python -m mpi_pgpe.compare RUN RUN`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
import math
from collections.abc import Iterator
from typing import Any

from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.errors import UserError, WrongInput
from mpi_pgpe.base.text import format_json_line, make_printable
from mpi_pgpe.runs.reader import RecordedRun, add_arguments, read_runs
from mpi_pgpe.training.metrics import MEASURED


def make_parser() -> Parser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.compare",
        description="Tell whether two runs are the same run: whether every metric but for those of times and ranks "
        "has the same value in every generation, to the last bit. The exit code is 0 if so, 1 if not, 2 if they "
        "cannot be compared.",
    )
    p.add_argument("runs", nargs=2, metavar="RUN", help="folder of a run: results/1")
    add_arguments(p)
    add_json(p)
    return p


def compare(first: RecordedRun, second: RecordedRun) -> dict[str, Any]:
    """What the tool prints: whether the runs are the same, and where they first differ."""
    runs = (first, second)
    names = {name for run in runs for name in run.metrics} - MEASURED
    generations = sorted(set(first.generations) | set(second.generations))
    differing = [
        key
        for key in sorted({*first.config, *second.config})
        if first.config.get(key) != second.config.get(key) and key != "notes"
    ]
    result: dict[str, Any] = {
        "same": True,
        "runs": [run.name for run in runs],
        "generations": [len(run.generations) for run in runs],
        "differing_settings": differing,
        "first_difference": None,
    }
    # The number of the generation first: where it is missing, the whole generation is.
    ordered = sorted(names, key=lambda name: (name != "generation", name))
    for generation in generations:
        for name in ordered:
            values = [run.metrics.get(name, {}).get(generation) for run in runs]
            if not _equal(*values):
                difference = {"generation": generation, "metric": name, "values": values}
                return result | {"same": False, "first_difference": difference}
    return result


def _two(args: argparse.Namespace) -> list[RecordedRun]:
    try:
        runs = read_runs(args.runs, args.mongo)
    except WrongInput:
        raise
    except UserError as error:  # a database that is away: 1 would say that they differ
        raise WrongInput(str(error)) from None
    if len(runs) != 2:
        raise WrongInput(f"expected the folders of two runs, got {len(runs)} runs in {' '.join(args.runs)}")
    return runs


def _equal(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and math.isnan(a) and math.isnan(b))


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code: 1 if the runs differ, 2 if they cannot be compared."""
    return entry.guard("compare", lambda: _compare(arguments))


def _compare(arguments: list[str]) -> int:
    args = make_parser().parse_args(arguments)
    runs = _two(args)
    result = compare(*runs)
    for line in _sentences(result):
        print(make_printable(line))
    if args.json:
        print(format_json_line(result))
    return 0 if result["same"] else 1


def _sentences(result: dict[str, Any]) -> Iterator[str]:
    difference, (a, b) = result["first_difference"], result["runs"]
    if difference is None:
        yield f"the same: every metric of {result['generations'][0]} generations, but for those of times and ranks"
    elif difference["metric"] == "generation":
        has, lacks = (a, b) if difference["values"][1] is None else (b, a)
        if difference["generation"] == 1:
            yield (f"{has} has generation 1, {lacks} begins later, as the record of a resumed run does: compare the "
                   "state_digest of their last generations")  # fmt: skip
        else:
            yield f"{has} has generation {difference['generation']}, {lacks} does not; they are the same before it"
    else:
        yield (
            f"they differ first in generation {difference['generation']}: {difference['metric']} is "
            f"{difference['values'][0]!r} in {a}, {difference['values'][1]!r} in {b}"
        )
    if result["differing_settings"]:
        yield f"settings that differ: {', '.join(result['differing_settings'])}"


if __name__ == "__main__":
    entry.run(main)

"""Deliver recorded runs to MongoDB: `python -m mpi_pgpe.sync FOLDER [-m DATABASE]`.

FOLDER is the folder of one run, or one of runs, of which those are taken that were started with -m.
Nothing is delivered twice, however often this is run. A run whose program was killed is marked as DEAD.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mpi_pgpe.base.arguments import Parser
from mpi_pgpe.base.errors import FAILED, UserError, WrongInput
from mpi_pgpe.cli import entry
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.mongo.address import FORMS, VARIABLE, BadTarget, Unreachable, connect, find_target, hide_secrets
from mpi_pgpe.runs.mongo.earlier_runs import deliver


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.sync", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="results, results/7 or saved_agents/...")
    p.add_argument("-m", "--mongo_db", metavar="DATABASE", help=f"{FORMS} (default: what {VARIABLE} says)")
    return p


def list_run_folders(folder: Path) -> list[Path]:
    """The folders of runs that `folder` means.

    Raises:
        WrongInput: there are none.
    """
    if (folder / run_folder.RUN).exists():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{run_folder.MONGO}") if (path.parent / run_folder.RUN).exists()]
    if not found:
        raise WrongInput(
            f"{folder}: expected the folder of a run (it holds {run_folder.RUN}), "
            f"or a folder of runs that were started with -m (they hold {run_folder.MONGO})"
        )
    return sorted(found, key=lambda path: (len(path.name), path.name))


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code: 0 if all runs are delivered."""
    return entry.guard("sync", lambda: _deliver(arguments))


def _deliver(arguments: list[str]) -> int:
    shown, hidden = hide_secrets(arguments)
    args = make_parser().parse_args(shown)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    target = find_target(hidden.get(args.mongo_db, args.mongo_db))
    if target is None:
        raise BadTarget(f"expected a database to deliver to: give -m or set {VARIABLE}: {FORMS}")
    folders = list_run_folders(args.folder)
    try:
        client = connect(target)
    except Unreachable as error:
        raise UserError(f"the MongoDB at {target.shown} cannot be used: {error}") from None
    failures = 0
    for folder in folders:
        try:
            print(f"{folder}: {deliver(folder, client, target)}")
        except Exception as error:  # of the database or the disk; the other runs may do better
            print(f"sync: {folder}: {target.scrub(error)}", file=sys.stderr)
            failures += 1
    client.close()
    return FAILED if failures else 0


if __name__ == "__main__":
    entry.run(main)

"""Deliver recorded runs to MongoDB: `python -m mpi_pgpe.sync FOLDER [-m DATABASE]`.

FOLDER is the folder of one run, or one of runs, of which those are taken that were started with -m.
Nothing is delivered twice, however often this is run. A run whose program was killed is marked as DEAD.
"""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import argparse
import logging
import os
import sys
from pathlib import Path

from mpi_pgpe.base.arguments import Parser
from mpi_pgpe.base.errors import FAILED, UserError, WrongInput
from mpi_pgpe.base.text import make_printable
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
    if os.path.lexists(folder / run_folder.RUN):
        return [folder]
    marked = folder.glob(f"*/{run_folder.MONGO}") if os.path.isdir(folder) else []
    found = [path.parent for path in marked if is_run(path.parent)]
    if not found:
        raise WrongInput(
            f"{folder}: expected the folder of a run (it holds {run_folder.RUN}), "
            f"or a folder of runs that were started with -m (they hold {run_folder.MONGO})"
        )
    return sorted(found, key=lambda path: (len(path.name), path.name))


def is_run(folder: Path) -> bool:
    """Whether a folder among others is that of a run, and no link to elsewhere."""
    if folder.is_symlink():
        print(f"sync: {make_printable(str(folder))}: a link, which is not followed; name it by itself", file=sys.stderr)
        return False
    return os.path.lexists(folder / run_folder.RUN)


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code: 0 if all runs are delivered."""
    return entry.guard("sync", lambda: _deliver(arguments))


class _Printable(logging.Formatter):
    """One line, whatever names a record has."""

    def format(self, record: logging.LogRecord) -> str:
        """The message."""
        return make_printable(super().format(record))


def _deliver(arguments: list[str]) -> int:
    shown, hidden = hide_secrets(arguments)
    args = make_parser().parse_args(shown)
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
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
            print(make_printable(f"{folder}: {deliver(folder, client, target)}"))
        except Exception as error:  # of the database or the disk; the other runs may do better
            print(make_printable(f"sync: {folder}: {target.scrub(error)}"), file=sys.stderr)
            failures += 1
    client.close()
    return FAILED if failures else 0


if __name__ == "__main__":
    entry.run(main)

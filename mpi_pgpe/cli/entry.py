"""How every command begins and ends as a program. Importing it loads neither numpy nor MPI, and changes nothing."""

from __future__ import annotations

import errno
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from mpi_pgpe.base import output
from mpi_pgpe.base.errors import FAILED, INTERRUPTED, UserError
from mpi_pgpe.base.text import make_printable
from mpi_pgpe.cli import quiet_start
from mpi_pgpe.cli.leftovers import Leftovers
from mpi_pgpe.parallel import one_thread
from mpi_pgpe.parallel.launcher import describe_own_launcher, read_promised_rank
from mpi_pgpe.parallel.launcher_output import trouble_of_launcher

if TYPE_CHECKING:
    from mpi_pgpe.parallel.farm import Farm

_LONGEST_LINE = 2000  # characters of a message in one line


def begin() -> None:
    """The first thing that a program does, before numpy is loaded: one thread a rank, and Ctrl-C is quiet."""
    one_thread.limit()
    quiet_start.begin()


def guard(command: str, work: Callable[[], int]) -> int:
    """Do a command's work; what a user has to be told is printed here, as `command: message`.

    Returns:
        the exit code: what `work` returns, or that of the UserError it raises, or 130 for Ctrl-C.
    """
    quiet_start.end()
    try:
        return _all_printed(command, work())
    except UserError as error:
        message = make_printable(str(error), _LONGEST_LINE) if error.one_line else str(error)
        print(f"{command}: {message}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr, flush=True)
        return INTERRUPTED
    except SystemExit as end:  # of argparse's --help
        if isinstance(end.code, str):
            print(f"{command}: {end.code}", file=sys.stderr, flush=True)
            return FAILED
        return _all_printed(command, end.code or 0)


def _all_printed(command: str, exit_code: int) -> int:
    """The exit code of a command whose result is what it prints, unless somebody stopped reading."""
    error = None if command == "train" else output.find_loss(output.OUTPUT)
    if error is None or exit_code or error.errno in (errno.EPIPE, errno.EBADF):
        return exit_code
    print(f"{command}: what it found could not be printed: {error.strerror}", file=sys.stderr, flush=True)
    return FAILED


def check_launcher(farm: Farm) -> None:
    """Refuse to go on if the launcher promised several ranks and MPI made worlds of one each.

    Raises:
        UserError: so it is, and this is the process that tells it.
        SystemExit: so it is, and another one tells it.
    """
    rank, promised = read_promised_rank() or (0, 1)
    if farm.world.size > 1 or promised <= 1:
        return
    if rank > 0:
        raise SystemExit(FAILED)
    raise UserError(
        f"expected {promised} ranks, as the launcher or Slurm says, but this process is alone in its MPI world: start "
        f"with {describe_own_launcher()}. The launcher does not belong to the MPI library here ({farm.world.library}), "
        "and every rank would do all the work by itself. Under Slurm: that mpirun inside sbatch, or srun with the "
        "--mpi that the library knows (srun --mpi=list). To train on one rank: mpirun -n 1"
    )


_leftovers: Leftovers | None = None


def begin_environments() -> None:
    """Just before environments are made, with MPI started: crashes are told, and what they leave is known."""
    global _leftovers
    faulthandler.enable(sys.__stderr__ or sys.stderr, all_threads=False)  # after MPI, which may have a handler, too
    _leftovers = Leftovers()
    from mpi_pgpe.base.inside import guard_exit  # here, because it loads numpy, too

    guard_exit()


_SECONDS_FOR_THREADS = 2.0  # that end by themselves


def close_environments(but: Iterable[Any] = ()) -> None:
    """Close the environments of this process, if it has any, `but` those, and say what went wrong."""
    if "mpi_pgpe.envs.adapter" in sys.modules:
        from mpi_pgpe.envs import close_all  # here, because not all commands make environments

        for complaint in close_all(but):
            print(complaint, file=sys.stderr, flush=True)
    if _leftovers is not None and (left := _leftovers.end()):
        print(left, file=sys.stderr, flush=True)


def end_in_spite_of_threads(exit_code: int) -> None:
    """End this process now if threads would keep it alive, such as those that an environment left."""
    until = time.monotonic() + _SECONDS_FOR_THREADS
    others = [t for t in threading.enumerate() if not (t is threading.main_thread() or t.daemon)]
    for thread in others:
        thread.join(max(0.0, until - time.monotonic()))
    left = [thread.name for thread in others if thread.is_alive()]
    if not left:
        return
    what = "a thread still runs" if len(left) == 1 else "threads still run"
    print(
        f"{what} ({', '.join(left)}), which an environment or a library left behind; this process ends all the same. "
        "An environment's close() is the place to end its threads",
        file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()
    os._exit(exit_code)


def run(main: Callable[[list[str]], int], arguments: list[str] | None = None) -> NoReturn:
    """Run a command as a program; an exception that nobody foresaw ends all ranks, not this one alone."""
    output.protect(trouble_of_launcher)
    try:
        exit_code = main(sys.argv[1:] if arguments is None else arguments)
    except BaseException as error:
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is not None and mpi.COMM_WORLD.Get_size() == 1:
            mpi = None
        if mpi is None and isinstance(error, SystemExit):
            raise
        traceback.print_exc()
        close_environments()
        sys.stderr.flush()
        if mpi is not None:
            mpi.COMM_WORLD.Abort(1)
        os._exit(1)  # Abort may return before it ends this process
    close_environments()
    sys.stdout.flush()
    end_in_spite_of_threads(exit_code)
    sys.exit(exit_code)

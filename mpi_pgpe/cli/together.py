"""Runs that Python starts: all ranks of a program begin one together, and each gets what came of it.

A program may start one after another. Between them the ranks run what else stands in the program; one that ends
meanwhile, or raises, leaves nobody waiting.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from mpi_pgpe.base.errors import FAILED, UserError, WrongInput, describe_error
from mpi_pgpe.base.global_generators import kept_generators
from mpi_pgpe.cli import entry, stop_requests
from mpi_pgpe.cli.end_watch import EndWatch
from mpi_pgpe.cli.stop_requests import StopRequests
from mpi_pgpe.parallel import one_thread
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import read_promised_rank
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.team import Team

T = TypeVar("T")
Work = Callable[[Team, StopRequests, EndWatch], T]

_SECONDS_TO_STOP = 60.0  # the ranks may be in a long step; more than at the end of a command, as the program goes on
_SIGNALS = (*stop_requests.SIGNALS, signal.SIGINT, signal.SIGUSR2, signal.SIGALRM, signal.SIGURG)


class _Program:
    """What this process keeps from one run to the next."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.watch: EndWatch | None = None
        self.running = False
        self.parted = False  # rank 0 has come to the end of the program
        self.echoed: BaseException | None = None  # the last error that rank 0 has told of


_program = _Program()


def do_together(work: Work[T]) -> T:
    """All ranks: have rank 0 do `work` with the others; on every rank its result is returned, or its error raised.

    Raises:
        UserError: the call cannot be; on rank 0 and on the others.
        what `work` raises: on the others it is a UserError of the same words if it cannot travel.
    """
    if threading.current_thread() is not threading.main_thread():
        raise WrongInput("expected a call from the program's main thread, as only that hears of signals")
    if _program.running:
        raise WrongInput("a run goes on in this process: expected a call after its end, not from within it")
    _program.running = True
    try:
        with _left_as_it_was():
            return _do(work)
    finally:
        _program.running = False


def _do(work: Work[T]) -> T:
    one_thread.limit_loaded()
    world, watch = _begin()
    team = Team(Farm(world))
    entry.check_launcher(team.farm)
    before = _open_environments()
    if world.rank > 0:
        stop_requests.ignore()
        try:
            team.serve()
        finally:
            entry.close_environments(before)
        return _unpack(team.last_word)
    requests = StopRequests(time.monotonic())
    word = b""
    with requests.listening():
        try:
            watch.go_on()
            result = work(team, requests, watch)
            word = _pack(result, None) if world.size > 1 else b""
            return result
        except BaseException as error:
            word = _pack(None, error) if world.size > 1 else b""
            raise
        finally:
            entry.close_environments(before)
            watch.pause()
            team.stop(0, word, patience=_SECONDS_TO_STOP)


def _begin() -> tuple[World, EndWatch]:
    """All ranks: MPI's world, which is made once for all runs, and the watch over this process."""
    program = _program
    rank, _ = read_promised_rank() or (0, 1)
    if program.watch is None:
        program.watch = EndWatch()
        if rank == 0 and "mpi4py.MPI" not in sys.modules:  # no process may be started once MPI runs
            atexit.register(program.watch.over)
            program.watch.start()
            program.watch.pause()
    if program.world is None:
        program.world = World()
        program.world.watch_hosts("its last checkpoint serves to resume")
        if program.world.size > 1:
            atexit.register(_part)
            sys.excepthook = _end_all
        if not faulthandler.is_enabled() and sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                faulthandler.enable(sys.__stderr__, all_threads=False)
    program.world.renew()
    return program.world, program.watch


def _open_environments() -> list[Any]:
    if "mpi_pgpe.envs.adapter" not in sys.modules:
        return []
    from mpi_pgpe.envs import list_open  # here, because it may not be needed

    return list_open()


@contextlib.contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Meanwhile signals and the global generators of random numbers are the run's; then they are as before."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    torch = sys.modules.get("torch")
    threads = torch and torch.get_num_threads()
    try:
        with kept_generators():
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)
        for number, handler in handlers.items():
            if handler is not None:  # one that is not Python's
                signal.signal(number, handler)


# -- what rank 0 tells the others -----------------------------------------------------------------------


def _pack(result: Any, error: BaseException | None) -> bytes:
    said = "" if error is None else str(error) if isinstance(error, UserError) else describe_error(error)
    try:
        whole = pickle.dumps((result, error))
    except Exception as trouble:  # of what a caller's own error may hold
        whole = b""
        said = said or f"what came of the run cannot be sent to the other ranks: {describe_error(trouble)}"
    return pickle.dumps((whole, said))


def _unpack(word: bytes) -> Any:
    """Another rank: return, or raise, what rank 0 did."""
    if not word:
        _program.parted = True
        raise UserError("rank 0 has ended before this run came to its end")
    whole, said = pickle.loads(word)
    try:
        result, error = pickle.loads(whole)
    except Exception:  # its class is not known here
        result, error = None, UserError(f"on rank 0: {said}")
    if error is not None:
        _program.echoed = error
        raise error
    return result


# -- the end of the program, where there are several ranks ----------------------------------------------


def _end_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception that nobody catches ends all ranks, and is told once where it is rank 0's."""
    world = _program.world
    assert world is not None
    if world.rank > 0 and error is _program.echoed:
        return  # rank 0 has the same error; should it go on, the end of this process is told there
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    world.abort(getattr(error, "exit_code", FAILED))


def _part() -> None:
    """The last thing that a rank does: nobody may be left waiting for it in a run of its own."""
    world = _program.world
    assert world is not None
    if world.rank == 0:
        Team(Farm(world)).stop(0, patience=_SECONDS_TO_STOP)
    elif not (_program.parted or Team(Farm(world)).hears_the_end()):
        print(
            f"rank {world.members[world.rank]} has come to the end of the program while rank 0 begins another run: "
            "expected that every rank makes the same calls, as every rank runs the same program",
            file=sys.stderr,
            flush=True,
        )
        world.abort(FAILED)
    world.leave(FAILED if hasattr(sys, "last_value") else 0)

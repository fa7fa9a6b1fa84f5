"""A limit on how long MPI may take to start, where the death of a rank leaves the others waiting for it for ever.

That is so with fault tolerance (ULFM), where mpiexec does not end the others; they hang in MPI_Init, out of Python's
reach. A process is forked that can speak meanwhile, and ends with the start.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
from collections.abc import Iterator

VARIABLE = "MPI_PGPE_SECONDS_TO_START"
_SECONDS = 300.0
_SECONDS_TO_TELL = 30.0
_SECONDS_TO_SAY = 1.0
_RANK_0 = ("0", None)


@contextlib.contextmanager
def limited_start() -> Iterator[None]:
    """End this process if the block takes longer than VARIABLE says (default 300 s); rank 0 tells before that."""
    try:
        seconds = max(0.0, float(os.environ.get(VARIABLE, _SECONDS)))
    except ValueError:
        seconds = _SECONDS
    listened, to = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(to)
        try:
            _watch(listened, seconds)
        finally:
            os._exit(0)
    os.close(listened)
    nowhere = open(os.devnull, "w")  # noqa: SIM115 (is written to at the end of the process)
    # By a thread of C's, and with an exit code: of ranks that die by a signal mpiexec makes a 0.
    faulthandler.dump_traceback_later(seconds + _SECONDS_TO_SAY, exit=True, file=nowhere)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        nowhere.close()
        os.close(to)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _watch(listened: int, seconds: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    tells = os.environ.get("OMPI_COMM_WORLD_RANK") in _RANK_0
    early = min(seconds, _SECONDS_TO_TELL)
    if select.select([listened], [], [], early)[0]:
        return
    if tells and early < seconds:
        _say(f"MPI has not started for {early:g} seconds: a rank may have died, or its host be slow; waiting")
    if select.select([listened], [], [], seconds - early)[0]:
        return
    if tells:
        _say(
            f"MPI did not start within {seconds:g} seconds, as when a rank died meanwhile; all ranks end. "
            f"Start it again; {VARIABLE} sets another limit"
        )


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())

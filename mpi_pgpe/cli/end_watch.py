"""A small process beside rank 0 that tells, and records, when a run has ended without a word.

A crash in native code, a kill -9 and a simulator that ends the program leave nobody who could: the record would stay
RUNNING for ever. The process is started before MPI is, sleeps until the end of the program, and is no rank.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from mpi_pgpe.cli import end_watch; end_watch.watch(sys.argv[1])"
_DONE, _PAUSE = "done", "pause\0"
_LAUNCHERS_OWN = ("PMI", "OMPI_", "SLURM_", "MPI_LOCAL")


class EndWatch:
    """What rank 0 tells the process.

    Where the process cannot be started nothing is watched, and the run goes on.
    """

    def __init__(self) -> None:
        self._to: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Have the end of this process told if it comes inside the block."""
        try:
            self.start()
            yield
        finally:
            self.over()

    def start(self) -> None:
        """Have the end of this process told if it comes before `over`."""
        try:
            if not hasattr(os, "pidfd_open"):
                raise OSError("no way to wait for a process that is no child")
            listened, self._to = os.pipe()
            # None of the launcher's ranks, and out of the reach of what ends the terminal's or the launcher's.
            environ = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS_OWN)}
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _PROGRAM, str(os.getpid()), str(Path(__file__).parents[2]), *sys.path],
                stdin=listened,
                stdout=subprocess.DEVNULL,
                env=environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,
                cwd="/",
            )
            os.close(listened)
        except OSError:
            self._process = None

    def over(self) -> None:
        """The run has come to its end, in order; nothing of it is told any more."""
        self._say(_DONE)
        process, self._process = self._process, None
        if process is not None:
            process.wait()

    def pause(self) -> None:
        """The run is over, in order, and the program may begin another one; until `go_on` nothing is told."""
        self._say(_PAUSE)

    def go_on(self) -> None:
        """A run begins."""
        self._say("\0")

    def records(self, folder: Path) -> None:
        """The run is recorded in this folder, an absolute path."""
        self._say(f"{folder}\0")

    def _say(self, text: str) -> None:
        if self._process is not None and self._to is not None:
            with contextlib.suppress(OSError):  # somebody has ended it
                os.write(self._to, os.fsencode(text))


def watch(program: str) -> None:
    """The process: wait for the end of `program`, a process id, and tell if nobody said that the run is over."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    try:
        ended = os.pidfd_open(int(program))
    except OSError:  # it is over already
        ended = -1
    said = b""
    while ended >= 0:
        ready, _, _ = select.select([0, ended], [], [])
        if 0 in ready:
            part = os.read(0, 65536)
            said += part
            if said.endswith(_DONE.encode()) or not part:
                break
        if ended in ready and 0 not in ready:
            break
    if not said.endswith((_DONE.encode(), _PAUSE.encode())):
        said = said.rpartition(_PAUSE.encode())[2]
        _tell([Path(os.fsdecode(path)) for path in said.split(b"\0") if path])


def _tell(folders: list[Path]) -> None:
    message = "the program did not end in order: it crashed in native code, was killed, or was ended by a library"
    for folder in folders:
        message += f". The run in {folder} is {_mark(folder)}"
    with contextlib.suppress(OSError):
        os.write(2, f"train: {message}. Its last checkpoint, if there is one, serves to resume\n".encode())


def _mark(folder: Path) -> str:
    from mpi_pgpe.runs import run_folder  # here, because they take a while to load
    from mpi_pgpe.runs.dead_runs import mark_if_dead

    try:
        held = run_folder.lock_folder(folder)
        if held is None:
            return "still held by another process"
        with held:
            mark_if_dead(folder)
            return f"marked as {run_folder.read_json(folder / run_folder.RUN)['status']}"
    except Exception as error:  # of the disk, or of a damaged record
        return f"not marked as dead ({type(error).__name__}: {error})"

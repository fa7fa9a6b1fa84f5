"""Printing past a launcher that cannot print: Hydra's mpiexec and Open MPI's end all ranks when they can write no more.

The ranks write to pipes that mpiexec reads, and see nothing of a full disk or of a reader that is gone. A pipe that
mpiexec writes to they can write to themselves, on its host; of a file they can look whether the disk is full.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from mpi_pgpe.parallel.launcher import find_launchers

_DEV_FULL = os.makedev(1, 7)
_CHANGES_OUTPUT = ("label", "prepend", "pattern", "prefix", "outfile", "errfile", "output", "tag", "xterm")
"""What is in options, beside -l, by which a launcher does more than to hand output on."""

Trouble = Callable[[], OSError | None]


def trouble_of_launcher(descriptor: int) -> Trouble | None:
    """Have a descriptor of this process lead where that of mpiexec leads, if that is a pipe.

    Returns:
        what tells, each time it is called, why mpiexec could not write there; None where nothing is to be told, where
        there is no mpiexec on this host, and where its descriptor cannot be looked at.
    """
    launchers = find_launchers()
    if not launchers:
        return None
    path = f"/proc/{launchers[0]}/fd/{descriptor}"
    try:
        kind = os.stat(path).st_mode  # before it is opened, which a socket refuses as a pipe without readers does
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return _always(errno.EPIPE) if error.errno == errno.ENXIO and stat.S_ISFIFO(kind) else None
    there = os.fstat(opened)
    if stat.S_ISREG(there.st_mode):
        return lambda: _full(opened)
    if stat.S_ISFIFO(there.st_mode) and hands_on(_words(launchers[0])):
        os.set_blocking(opened, True)  # of this opening of the pipe alone
        os.dup2(opened, descriptor)
    os.close(opened)
    return _always(errno.ENOSPC) if there.st_rdev == _DEV_FULL else None


def _always(number: int) -> Trouble:
    return lambda: OSError(number, os.strerror(number))


def _full(opened: int) -> OSError | None:
    space = os.fstatvfs(opened)
    # In blocks; some file systems have no number of them.
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if space.f_blocks and not space.f_bavail else None


def _words(process: int) -> list[str]:
    """The command line of a process; empty if it cannot be read."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def hands_on(words: list[str]) -> bool:
    """Whether the command line is that of an mpiexec that changes nothing of what the ranks print."""
    if not words or Path(words[0]).name == "srun":
        return False
    options = [word for word in words[1 : _find_program(words)] if word.startswith("-")]
    return not any(word == "-l" or any(part in word for part in _CHANGES_OUTPUT) for word in options)


def _find_program(words: list[str]) -> int:
    """Where in a command line the program may be at the earliest, and is no value of an option."""
    for place in range(1, len(words)):
        is_program = Path(words[place]).name.startswith(("python", "mpi_pgpe"))
        if is_program and not words[place - 1].startswith("-"):
            return place
    return len(words)

"""Whether the launcher's own output can be written to: Hydra's mpiexec ends all ranks when it cannot.

The ranks write to pipes that mpiexec reads, and see nothing of a full disk or of a reader that is gone. On its host
they can look at where it writes to, before each print.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable

from mpi_pgpe.parallel.launcher import find_launchers

_DEV_FULL = os.makedev(1, 7)


def trouble_of_launcher(descriptor: int) -> Callable[[], OSError | None] | None:
    """What tells, each time it is called, why mpiexec could not write to its descriptor of this number.

    None: there is no mpiexec on this host, or its descriptor cannot be looked at.
    """
    launchers = find_launchers()
    if not launchers:
        return None
    try:  # without opening a pipe's other end for reading, or a terminal as one's own
        opened = os.open(f"/proc/{launchers[0]}/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    there = os.fstat(opened)
    if stat.S_ISREG(there.st_mode):
        return lambda: _full(opened)
    if stat.S_ISFIFO(there.st_mode):
        return lambda: _left_by_reader(opened)
    os.close(opened)
    if there.st_rdev == _DEV_FULL:
        return lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def _full(opened: int) -> OSError | None:
    space = os.fstatvfs(opened)
    # In blocks; some file systems have no number of them.
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if space.f_blocks and not space.f_bavail else None


def _left_by_reader(opened: int) -> OSError | None:
    poll = select.poll()
    poll.register(opened, 0)
    left = any(event & select.POLLERR for _, event in poll.poll(0))
    return OSError(errno.EPIPE, os.strerror(errno.EPIPE)) if left else None

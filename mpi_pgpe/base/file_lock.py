"""Locks between programs, which die with their owners: flock(2) on a file that stays.

Over NFS the kernel makes a lock of the server out of it, so that it holds for all hosts; that of a host that is gone
ends with its lease, after 90 seconds by default (NFSv4).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import weakref
from typing import BinaryIO

_held: weakref.WeakSet[FileLock] = weakref.WeakSet()
_watching_forks = False


class FileLock:
    """A file that is locked until `close`, or until this process ends.

    Attributes:
        file: open for reading and writing.
        certain: False on a file system that has no locks: then nobody is kept out.
    """

    def __init__(self, file: BinaryIO, certain: bool) -> None:
        self.file, self.certain = file, certain
        _held.add(self)
        _watch_forks()

    def close(self) -> None:
        """Give it back."""
        self.file.close()

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lock(path: str | os.PathLike[str]) -> BinaryIO:
    """Open the file of a lock, made if it is missing; never through a link.

    Raises:
        OSError: it cannot be made or written to, or is no regular file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed; remove it", str(path)) from None
        raise
    file = os.fdopen(descriptor, "r+b", buffering=0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "a pipe or a device, not a file; remove it", str(path))
    return file


def try_lock(path: str | os.PathLike[str]) -> FileLock | None:
    """Lock a file now; None if another program holds it.

    Raises:
        OSError: see `open_lock`.
    """
    file = open_lock(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # of a file system without locks
        return FileLock(file, certain=False)
    return FileLock(file, certain=True)


def _watch_forks() -> None:
    # A child has the same lock, and would hold it beyond the end of its parent.
    global _watching_forks
    if not _watching_forks:
        os.register_at_fork(after_in_child=_let_go)
        _watching_forks = True


def _let_go() -> None:
    for lock in list(_held):
        lock.close()

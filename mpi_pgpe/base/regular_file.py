"""Files that others may have put there, opened without waiting, and read in a bounded size.

A pipe would be waited for, a device may never end, a link leads elsewhere, and a file may be larger than the memory.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO


def open_regular(path: str | os.PathLike[str], largest: int, *, follow: bool = True) -> BinaryIO:
    """Open a file for reading.

    Args:
        path: of the file.
        largest: bytes that it may have.
        follow: whether it may be a symbolic link.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger; `strerror` says so.
    """
    status = os.stat(path, follow_symlinks=follow)
    _check(status, path, largest)  # before it is opened, because a device may do something then
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check(os.fstat(file.fileno()), path, largest)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: str | os.PathLike[str], largest: int, *, follow: bool = True) -> bytes:
    """The content of a file; see `open_regular`.

    Raises:
        OSError: see `open_regular`.
    """
    with open_regular(path, largest, follow=follow) as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # it has grown meanwhile
        raise OSError(errno.EFBIG, _too_large(largest), str(path))
    return content


def _check(status: os.stat_result, path: str | os.PathLike[str], largest: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "a link, which is not followed; put the file itself there", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "a pipe or a device, not a file", str(path))
    if status.st_size > largest:
        raise OSError(errno.EFBIG, _too_large(largest), str(path))


def _too_large(largest: int) -> str:
    return f"larger than {largest} bytes"

"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_UMASK = os.umask(0)  # can only be read by setting it: here, before there are threads
os.umask(_UMASK)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put a file in place with one rename, so that nobody ever sees it half written."""
    path = Path(path)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_UMASK)
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise

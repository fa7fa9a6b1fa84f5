"""Files that are there whole or not at all: the only place that puts files where others may read them meanwhile."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_atomically(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """Give an empty file beside `path` to be written, which takes its place with one rename when the block ends.

    Nobody ever sees `path` half written, even if the machine fails meanwhile; who reads the old file reads it whole.
    If the block raises, the old file stays, and the new one is removed. Its permissions are those of any new file.

    Args:
        path: where to.
        suffix: of the file beside it, for writers that go by it.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{suffix}")
    os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # less the umask, which the kernel sees to
    try:
        yield aside
        descriptor = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put a file with this content in place; see `replace_atomically`."""
    with replace_atomically(path) as aside:
        aside.write_bytes(content)

"""The files of a run in MongoDB's GridFS."""

from __future__ import annotations

import errno
import hashlib
import logging
import mimetypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bson import ObjectId
from gridfs import GridFS

from mpi_pgpe.base.regular_file import open_regular, read_regular

if TYPE_CHECKING:
    from pymongo.database import Database

_LARGEST_SOURCE = 2**24  # bytes

_log = logging.getLogger(__name__)


class StoredFiles:
    """A run's artifacts and sources in GridFS.

    A file's id is made from its name and content, so that nothing is sent twice.

    Raises (all methods): pymongo.errors.PyMongoError, OSError.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._files = database["fs.files"]
        self._chunks = database["fs.chunks"]
        self._fs = GridFS(database)
        self._prefix = ""
        self._stored: dict[str, list[ObjectId]] = {}  # artifacts that the database has: ids by name, the newest last
        self._keys: dict[str, tuple[object, ObjectId]] = {}  # (version of the file, its id), by name
        self._begun: set[ObjectId] = set()  # what was begun to be sent, and may have been broken off

    def look(self, run_id: int | str) -> None:
        """Learn which artifacts of a run the database has; to be called before anything else."""
        self._prefix = f"artifact://runs/{run_id}/"
        of_run = {"filename": {"$gte": self._prefix, "$lt": self._prefix[:-1] + chr(ord("/") + 1)}}
        self._stored = {}
        for file in self._files.find(of_run, {"filename": 1}).sort("uploadDate", 1):
            self._stored.setdefault(file["filename"], []).append(file["_id"])

    def send_artifact(self, path: str, name: str) -> ObjectId | None:
        """Put a file there unless it is there; returns its id.

        Of a file that was deleted, what was sent before stays; None if that is nothing.
        """
        stored = self._stored.setdefault(self._prefix + name, [])
        try:
            key = self._send(path, self._prefix + name, stored.__contains__)
        except FileNotFoundError:
            if stored:
                return stored[-1]
            _log.warning("the artifact %s is no longer there: not in MongoDB", path)
            return None
        except NotAFile as error:
            _log.warning("the artifact %s is %s: not in MongoDB", path, error.strerror)
            return None
        if key not in stored:
            stored.append(key)
        return key

    def send_source(self, path: Path, stored_name: str) -> ObjectId | None:
        """Put a file there that other runs may have as well; returns its id.

        None if it is not what its name says: NAME_MD5.SUFFIX.
        """
        try:
            if path.parent.is_symlink():
                raise OSError(errno.ELOOP, "in a folder that is a link, which is not followed")
            content = read_regular(path, _LARGEST_SOURCE, follow=False)
            if path.stem.rpartition("_")[2] != hashlib.md5(content, usedforsecurity=False).hexdigest():
                raise OSError(errno.EINVAL, "not the file that its name tells of")
            return self._send(str(path), stored_name, self._fs.exists)
        except OSError as error:
            _log.warning("the source %s is %s: not in MongoDB", path, error.strerror)
            return None

    def delete_replaced(self, ids: dict[str, ObjectId]) -> None:
        """Delete the older contents of artifacts, given the ids by name, whether they were sent or broken off."""
        for name, key in ids.items():
            stored = self._stored[self._prefix + name]
            for other in [other for other in stored if other != key]:
                self._delete(other)
                stored.remove(other)
        for key in self._begun - set(ids.values()):
            self._delete(key)
            self._begun.remove(key)

    def _delete(self, key: ObjectId) -> None:
        # The chunks first, because they are not found without their file; GridFS.delete has it the other way round.
        self._chunks.delete_many({"files_id": key})
        self._files.delete_one({"_id": key})

    def _send(self, path: str, stored_name: str, is_there: Callable[[ObjectId], bool]) -> ObjectId:
        known = self._keys.get(stored_name)
        if known is not None and known[0] == _version(os.lstat(path)) and is_there(known[1]):
            return known[1]
        with _open(path) as file:
            version, digest = _version(os.fstat(file.fileno())), hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
            key = object_id(stored_name, digest.hexdigest())
            if not (is_there(key) or self._fs.exists(key)):
                self._fs.delete(key)  # what an attempt that was broken off has left
                file.seek(0)
                self._begun.add(key)
                self._fs.put(file, _id=key, filename=stored_name, content_type=mimetypes.guess_type(path)[0])
            self._begun.discard(key)
        self._keys[stored_name] = version, key
        return key


class NotAFile(OSError):
    """A link, a pipe or a device, where a file should be."""


def _open(path: str) -> BinaryIO:
    try:
        return open_regular(path, sys.maxsize, follow=False)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR):
            raise NotAFile(error.errno, error.strerror, path) from None
        raise


def _version(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def object_id(*parts: str) -> ObjectId:
    """An id that is made from texts."""
    return ObjectId(hashlib.sha256("\0".join(parts).encode()).digest()[:12])

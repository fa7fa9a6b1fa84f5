"""A run's folder, copied into MongoDB as sacred's MongoObserver would have left it there.

Nothing is remembered between two runs of this code but what the database says itself: a run is found by
its `uid`, the points of a metric are counted there, a file's id is made from its content. So it may be
broken off anywhere and begun again, by another program too, and nothing is missing or there twice.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import mimetypes
import os
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bson import ObjectId
from gridfs import GridFS
from pymongo.errors import DuplicateKeyError

from mpi_pgpe.records import files

if TYPE_CHECKING:
    from pymongo import MongoClient

FORMAT = "MongoObserver-0.7.0"  # of sacred 0.8.7, whose layout this is
UNFINISHED = ("QUEUED", "RUNNING")
LONGEST_OUTPUT = 4 * 2**20  # bytes; a document holds 16 MB at most
MOST_POINTS = 300_000  # of one metric, for the same reason: 44 bytes each
_LINES_AT_ONCE = 5000
_ID_TRIES = 1000

_log = logging.getLogger(__name__)


class Diverged(Exception):
    """The database does not hold what it held before; look again."""


class Mirror:
    """Brings the record of one run in MongoDB up to date with its folder.

    After an exception of any of its methods, make a new one.

    Raises (all methods): pymongo.errors.PyMongoError, Diverged, OSError.
    """

    def __init__(self, client: MongoClient[dict[str, Any]], database: str, folder: Path) -> None:
        self.folder = folder
        self.id: int | str | None = None
        self._runs = client[database]["runs"]
        self._metrics = client[database]["metrics"]
        self._fs = GridFS(client[database])
        self._sent: dict[str, Any] = {}  # entries of the run's document
        self._offset = 0  # in the file of metrics
        self._stored: dict[str, int] = {}  # points that the database has, by metric
        self._seen: dict[str, int] = {}  # points that were read from the file
        self._artifacts: dict[str, tuple[object, ObjectId]] = {}  # (version of the file, its id), by name
        self._sources: list[Any] | None = None
        self._output: tuple[int, str] = (-1, "")

    @property
    def points(self) -> int:
        """How many points of metrics the database has."""
        return sum(self._stored.values())

    # -- the run's id -------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """One more than the largest id of a run."""
        last = self._runs.find_one({"_id": {"$gte": 0}}, {"_id": 1}, sort=[("_id", -1)])
        return 1 if last is None else int(last["_id"]) + 1

    def claim(self, number: int | str, entry: dict[str, Any]) -> bool:
        """Make the run's document under an id; False if another run has that id."""
        document = {"_id": number, "uid": entry["uid"], "format": FORMAT, "captured_out": "", "result": None}
        document |= _bson(self._from_entry(entry)) | {"config": {}, "info": {}, "artifacts": [], "resources": []}
        try:
            self._runs.insert_one(document)
        except DuplicateKeyError:
            if self._runs.find_one({"_id": number, "uid": entry["uid"]}, {"_id": 1}) is None:
                return False  # else it was this run's, and the answer to an earlier attempt was lost
        self.id = number
        return True

    def _find(self, entry: dict[str, Any]) -> None:
        """Find the run's document by its uid, or make it."""
        wanted = files.read_json(self.folder / files.MONGO).get("id")
        for query in ({"_id": wanted, "uid": entry["uid"]}, {"uid": entry["uid"]}):
            if found := self._runs.find_one(query, {"_id": 1}):
                self.id = found["_id"]
                return
        if wanted is None:
            wanted = self.next_id()
        for _ in range(_ID_TRIES):
            if self.claim(wanted, entry):
                return
            wanted = self.next_id()
        raise Diverged(f"no free id was found for a run in {_ID_TRIES} attempts")

    # -- all of it ----------------------------------------------------------------------------------------

    def update(self) -> None:
        """Bring the database up to date."""
        entry = files.read_json(self.folder / files.RUN)  # first: what it tells of is in the other files already
        self._uid = entry["uid"]
        if self.id is None:
            self._find(entry)
        if not self._seen:
            self._count_points()
        document = self._from_entry(entry)
        document["config"] = files.read_json(self.folder / files.CONFIG)
        document["captured_out"], cut = self._captured_out()
        self._send_metrics()
        document["info"] = files.read_json(self.folder / files.INFO)
        if self._seen:
            document["info"]["metrics"] = [{"name": name, "id": str(self._metric_id(name))} for name in self._seen]
        document["experiment"]["sources"] = self._send_sources(entry)
        names = entry["artifacts"] + ([files.OUTPUT] if cut and entry["status"] not in UNFINISHED else [])
        document["artifacts"] = [artifact for name in names if (artifact := self._send_artifact(name))]
        document = _bson(document)
        changed = {key: value for key, value in document.items() if key not in self._sent or self._sent[key] != value}
        query = {"_id": self.id, "uid": entry["uid"]}
        if changed and not self._runs.update_one(query, {"$set": changed}).matched_count:
            raise Diverged(f"run {self.id} was deleted from the database")
        self._sent = document
        if "artifacts" in changed:
            self._delete_replaced(document["artifacts"])

    @staticmethod
    def _from_entry(entry: dict[str, Any]) -> dict[str, Any]:
        """What run.json holds, in the form of the run's document."""
        document = {"format": FORMAT, "fail_trace": None, "stop_time": None, "result": None} | entry
        document["experiment"] = dict(entry["experiment"])
        # stored as NAME_MD5.SUFFIX
        document["resources"] = [[name, Path(stored).stem.rpartition("_")[2]] for name, stored in entry["resources"]]
        for name in ("start_time", "stop_time", "heartbeat"):
            if entry.get(name):
                document[name] = datetime.fromisoformat(entry[name])
        absent = ("fail_trace", "stop_time")  # until there is one, as sacred has it
        return {key: value for key, value in document.items() if key not in absent or value is not None}

    def _captured_out(self) -> tuple[str, bool]:
        """(what the run printed, whether its middle had to be left out)."""
        path = self.folder / files.OUTPUT
        size = path.stat().st_size if path.exists() else 0
        if size != self._output[0]:
            text = ""
            if size:
                with open(path, "rb") as file:
                    text = file.read(min(size, LONGEST_OUTPUT)).decode(errors="replace")
                    if size > LONGEST_OUTPUT:
                        text = text[: LONGEST_OUTPUT // 16]
                        file.seek(size - LONGEST_OUTPUT * 3 // 4)
                        end = file.read(LONGEST_OUTPUT * 3 // 4).decode(errors="replace")
                        text += f"\n[... {size} bytes in all: see the artifact {files.OUTPUT} ...]\n" + end
            self._output = size, text
        return self._output[1], size > LONGEST_OUTPUT

    # -- metrics ------------------------------------------------------------------------------------------

    def _metric_id(self, name: str) -> ObjectId:
        return _object_id(self._uid, "metric", name)

    def _count_points(self) -> None:
        counted = self._metrics.aggregate(
            [{"$match": {"run_id": self.id}}, {"$project": {"name": 1, "points": {"$size": "$steps"}}}]
        )
        self._stored = {metric["name"]: metric["points"] for metric in counted}

    def _send_metrics(self) -> None:
        """Append the points that the database has not; each update holds only if it has all before them."""
        lines = files.metric_lines(self.folder / files.METRIC_LINES, self._offset)
        while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
            columns: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}
            for line, _ in batch:
                step, timestamp = line.pop(files.STEP), datetime.fromisoformat(line.pop(files.TIMESTAMP))
                for name, value in line.items():
                    self._seen[name] = self._seen.get(name, 0) + 1
                    if self._stored.get(name, 0) < self._seen[name] <= MOST_POINTS:
                        points = columns.setdefault(name, ([], [], []))
                        for column, item in zip(points, (step, value, timestamp), strict=True):
                            column.append(item)
                    elif self._seen[name] == MOST_POINTS + 1:
                        _log.warning(
                            "MongoDB takes the first %d points of %s; all are in %s",
                            MOST_POINTS, name, self.folder / files.METRIC_LINES,
                        )  # fmt: skip
            self._append(columns)
            self._offset = batch[-1][1]

    def _append(self, columns: dict[str, tuple[list[Any], list[Any], list[Any]]]) -> None:
        fields = ("steps", "values", "timestamps")
        for name, points in columns.items():
            key, count = self._metric_id(name), self._stored.get(name, 0)
            if not count:
                empty: dict[str, Any] = {"run_id": self.id, "name": name} | {field: [] for field in fields}
                self._metrics.update_one({"_id": key}, {"$setOnInsert": empty}, upsert=True)
            push = {field: {"$each": _bson(points[i])} for i, field in enumerate(fields)}
            if not self._metrics.update_one({"_id": key, "steps": {"$size": count}}, {"$push": push}).matched_count:
                raise Diverged(f"another program has written points of {name}")
            self._stored[name] = count + len(points[0])

    # -- files --------------------------------------------------------------------------------------------

    def _send_artifact(self, name: str) -> dict[str, Any] | None:
        """Its entry in the run's document; the newest content of a name stands for it."""
        path = f"{self.folder}/{name}"
        known = self._artifacts.get(name)
        try:
            if known is None or known[0] != _version(os.stat(path)):
                with open(path, "rb") as file:
                    version = _version(os.fstat(file.fileno()))
                    known = version, self._send_file(file, self._artifact_name(name), name)
                self._artifacts[name] = known
        except FileNotFoundError:
            _log.warning("the artifact %s is no longer there: not in MongoDB", path)
            return None
        return {"name": name, "file_id": known[1]}

    def _artifact_name(self, name: str) -> str:
        return f"artifact://{self._runs.name}/{self.id}/{name}"

    def _send_sources(self, entry: dict[str, Any]) -> list[Any]:
        if self._sources is None:
            sources = []
            base = Path(entry["experiment"]["base_dir"])
            for name, stored in entry["experiment"]["sources"]:
                with open(self.folder.parent / stored, "rb") as file:
                    sources.append([name, self._send_file(file, str(base / name), name)])
            self._sources = sources
        return self._sources

    def _send_file(self, file: IO[bytes], stored_name: str, name: str) -> ObjectId:
        """Put a file into GridFS unless it is there; returns its id."""
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
        key = _object_id(stored_name, digest.hexdigest())
        if not self._fs.exists(key):
            self._fs.delete(key)  # what an attempt that was broken off has left
            file.seek(0)
            self._fs.put(file, _id=key, filename=stored_name, content_type=mimetypes.guess_type(name)[0])
        return key

    def _delete_replaced(self, artifacts: list[dict[str, Any]]) -> None:
        """Delete the files of older contents, which the run's document no longer names."""
        for artifact in artifacts:
            for file in self._fs.find({"filename": self._artifact_name(artifact["name"])}):
                if file._id != artifact["file_id"]:
                    self._fs.delete(file._id)


def _version(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _object_id(*parts: str) -> ObjectId:
    return ObjectId(hashlib.sha256("\0".join(parts).encode()).digest()[:12])


def _bson(value: Any) -> Any:
    """`value` as MongoDB can hold it: keys without dots and dollars as sacred changes them, integers of 64 bits."""
    if isinstance(value, dict):
        return {
            ("@" + key[1:] if key.startswith("$") else key).replace(".", ","): _bson(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_bson(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value

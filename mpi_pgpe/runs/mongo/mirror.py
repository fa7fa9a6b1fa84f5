"""A run's folder, copied into MongoDB as sacred's MongoObserver would have left it there.

What is sent depends on what the database says that it has: a run is found by its `uid`, the points of a
metric are counted there, a file's id is made from its content. So it may be broken off anywhere and begun
again, by another program too, and nothing is missing or there twice.
"""

from __future__ import annotations

import itertools
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from mpi_pgpe.base.regular_file import open_regular
from mpi_pgpe.runs import run_folder
from mpi_pgpe.runs.dead_runs import DEAD, DEAD_IN_DATABASE
from mpi_pgpe.runs.mongo.access import DIGESTS
from mpi_pgpe.runs.mongo.grid_files import StoredFiles, object_id
from mpi_pgpe.training.metrics import NOT_PLOTTED

if TYPE_CHECKING:
    from pymongo import MongoClient

FORMAT = "MongoObserver-0.7.0"  # of sacred 0.8.7, whose layout this is
UNFINISHED = ("QUEUED", "RUNNING")
LONGEST_OUTPUT = 4 * 2**20  # bytes; a document holds 16 MB at most
MOST_POINTS = 300_000  # of one metric, for the same reason: 44 bytes each
_LINES_AT_ONCE = 20_000
_ID_TRIES = 1000

_log = logging.getLogger(__name__)


class Diverged(Exception):
    """The database does not hold what it held before; look again."""


class Mirror:
    """Brings the record of one run in MongoDB up to date with its folder.

    Any method may be called again after an exception; it then looks at what the database has first.

    Raises (all methods): pymongo.errors.PyMongoError, Diverged, OSError.
    """

    def __init__(self, client: MongoClient[dict[str, Any]], database: str, folder: Path) -> None:
        self.folder = folder
        self.id: int | str | None = None
        self._uid = ""
        self._runs = client[database]["runs"]
        self._metrics = client[database]["metrics"]
        self._digests = client[database][DIGESTS]
        self._files = StoredFiles(client[database])
        self._sure = False  # whether the database has what is said here
        self._sent: dict[str, Any] = {}  # entries of the run's document
        self._stored: dict[str, int] = {}  # points that the database has, by metric
        self._offset = 0  # in the file of metrics; what is before it has been sent
        self._seen: dict[str, int] = {}  # points before it, by metric
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
        self.id, self._uid = number, entry["uid"]
        return True

    def _find(self, entry: dict[str, Any]) -> None:
        """Find the run's document by its uid, or make it."""
        wanted = run_folder.read_json(self.folder / run_folder.MONGO).get("id")
        wanted = wanted if isinstance(wanted, int | str) else None
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

    def remove(self) -> None:
        """Delete the run's document; for a run that has neither metrics nor artifacts yet."""
        self._runs.delete_one({"uid": self._uid or run_folder.read_entry(self.folder)["uid"]})

    # -- all of it ----------------------------------------------------------------------------------------

    def update(self) -> None:
        """Bring the database up to date.

        Raises:
            Diverged: the run was deleted there, or is another one.
        """
        entry = run_folder.read_entry(self.folder)  # first: what it tells of is in the other files already
        if not self._sure:
            self._look(entry)
        self._sure = False
        document = self._from_entry(entry)
        document["config"] = run_folder.read_json(self.folder / run_folder.CONFIG)
        document["captured_out"], cut = self._captured_out()
        self._send_metrics()
        document["info"] = run_folder.read_json(self.folder / run_folder.INFO) or entry.get("info", {})
        if self._seen:
            plotted = [name for name in self._seen if name not in NOT_PLOTTED]
            document["info"]["metrics"] = [{"name": name, "id": str(self._metric_id(name))} for name in plotted]
        document["experiment"]["sources"] = self._send_sources(entry)
        names = entry["artifacts"] + ([run_folder.OUTPUT] if cut and entry["status"] not in UNFINISHED else [])
        artifacts = {name: key for name in names if (key := self._files.send_artifact(f"{self.folder}/{name}", name))}
        document = _bson(document) | {"artifacts": [{"name": name, "file_id": key} for name, key in artifacts.items()]}
        changed = {key: value for key, value in document.items() if key not in self._sent or self._sent[key] != value}
        query = {"_id": self.id, "uid": entry["uid"]}
        if changed and not self._runs.update_one(query, {"$set": changed}).matched_count:
            raise Diverged(f"run {self.id} was deleted from the database")
        self._files.delete_replaced(artifacts)
        self._sent, self._sure = document, True

    def _look(self, entry: dict[str, Any]) -> None:
        """Learn what the database has."""
        self._uid = entry["uid"]
        self._find(entry)
        assert self.id is not None
        self._files.look(self.id)
        self._sent = {}
        self._stored = {}
        self._move_digests()
        self._count_points(list(self._seen))
        if any(self._stored[name] < min(points, MOST_POINTS) for name, points in self._seen.items()):
            self._offset, self._seen = 0, {}  # it has lost some

    def _send_sources(self, entry: dict[str, Any]) -> list[Any]:
        if self._sent:
            return self._sent["experiment"]["sources"]
        base = Path(entry["experiment"]["base_dir"])
        folder = self.folder.absolute().parent
        keys = [(name, self._files.send_source(folder / stored, str(base / name)))
                for name, stored in entry["experiment"].get("sources", [])]  # fmt: skip
        return [[name, key] for name, key in keys if key is not None]

    @staticmethod
    def _from_entry(entry: dict[str, Any]) -> dict[str, Any]:
        """What run.json holds, in the form of the run's document."""
        document = {"format": FORMAT, "fail_trace": None, "stop_time": None, "result": None} | entry
        document["experiment"] = dict(entry["experiment"])
        # stored as NAME_MD5.SUFFIX
        document["resources"] = [[name, Path(stored).stem.rpartition("_")[2]] for name, stored in entry["resources"]]
        if entry["status"] == DEAD:
            document["status"] = DEAD_IN_DATABASE
        for name in ("start_time", "stop_time", "heartbeat"):
            if entry.get(name):
                document[name] = datetime.fromisoformat(entry[name])
        absent = ("fail_trace", "stop_time")  # until there is one, as sacred has it
        return {key: value for key, value in document.items() if key not in absent or value is not None}

    def _captured_out(self) -> tuple[str, bool]:
        """(what the run printed, whether its middle had to be left out)."""
        path = self.folder / run_folder.OUTPUT
        size = path.lstat().st_size if os.path.lexists(path) else 0
        if size != self._output[0]:
            text = ""
            if size:
                with open_regular(path, run_folder.LARGEST_METRICS, follow=False) as file:
                    text = file.read(min(size, LONGEST_OUTPUT)).decode(errors="replace")
                    if size > LONGEST_OUTPUT:
                        text = text[: LONGEST_OUTPUT // 16]
                        file.seek(size - LONGEST_OUTPUT * 3 // 4)
                        end = file.read(LONGEST_OUTPUT * 3 // 4).decode(errors="replace")
                        text += f"\n[... {size} bytes in all: see the artifact {run_folder.OUTPUT} ...]\n" + end
            self._output = size, text
        return self._output[1], size > LONGEST_OUTPUT

    # -- metrics ------------------------------------------------------------------------------------------

    def _metric_id(self, name: str) -> ObjectId:
        return object_id(self._uid, "metric", name)

    def _count_points(self, names: list[str]) -> None:
        """Learn how many points of metrics the database has; by id, because there is no other index."""
        self._stored |= dict.fromkeys(names, 0)
        ids = [self._metric_id(name) for name in names]
        for collection in (self._metrics, self._digests):
            counted = collection.aggregate(
                [
                    {"$match": {"_id": {"$in": ids}, "run_id": self.id}},
                    {"$project": {"name": 1, "points": {"$size": "$steps"}}},
                ]
            )
            self._stored |= {metric["name"]: metric["points"] for metric in counted}

    def _move_digests(self) -> None:
        """Put what earlier versions of this program left among the metrics in its place."""
        for name in NOT_PLOTTED:
            key = {"_id": self._metric_id(name)}
            found = self._metrics.find_one(key)
            if found is not None:
                self._digests.replace_one(key, found, upsert=True)
                self._metrics.delete_one(key)

    def _send_metrics(self) -> None:
        """Append the points that the database has not; each update holds only if it has all before them."""
        lines = run_folder.read_metric_lines(self.folder / run_folder.METRIC_LINES, self._offset)
        while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
            columns: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}
            seen = dict(self._seen)
            if unknown := {name for line, _ in batch for name in line} - {
                run_folder.STEP,
                run_folder.TIMESTAMP,
                *self._stored,
            }:
                self._count_points(list(unknown))
            for line, _ in batch:
                step, timestamp = line.pop(run_folder.STEP), datetime.fromisoformat(line.pop(run_folder.TIMESTAMP))
                for name, value in line.items():
                    seen[name] = seen.get(name, 0) + 1
                    if self._stored[name] < seen[name] <= MOST_POINTS:
                        points = columns.setdefault(name, ([], [], []))
                        for column, item in zip(points, (step, value, timestamp), strict=True):
                            column.append(item)
                    elif seen[name] == MOST_POINTS + 1:
                        _log.warning(
                            "MongoDB takes the first %d points of %s; all are in %s",
                            MOST_POINTS, name, self.folder / run_folder.METRIC_LINES,
                        )  # fmt: skip
            self._append(columns)
            self._offset, self._seen = batch[-1][1], seen

    def _append(self, columns: dict[str, tuple[list[Any], list[Any], list[Any]]]) -> None:
        digests = {name: columns.pop(name) for name in NOT_PLOTTED & set(columns)}
        self._append_to(self._metrics, columns)
        self._append_to(self._digests, digests)

    def _append_to(self, collection: Any, columns: dict[str, tuple[list[Any], list[Any], list[Any]]]) -> None:
        fields = ("steps", "values", "timestamps")
        updates = []
        for name, points in columns.items():
            key, count = self._metric_id(name), self._stored[name]
            if not count:
                empty: dict[str, Any] = {"run_id": self.id, "name": name} | {field: [] for field in fields}
                updates.append(UpdateOne({"_id": key}, {"$setOnInsert": empty}, upsert=True))
            push = {field: {"$each": _bson(points[i])} for i, field in enumerate(fields)}
            updates.append(UpdateOne({"_id": key, "steps": {"$size": count}}, {"$push": push}))
        if not updates:
            return
        done = collection.bulk_write(updates)  # in one message, since a server may be far away
        if done.matched_count + done.upserted_count != len(updates):
            raise Diverged("another program has written points of this run's metrics")
        for name, points in columns.items():
            self._stored[name] += len(points[0])


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

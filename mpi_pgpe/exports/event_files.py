"""Export to event files, which TensorBoard shows."""

from __future__ import annotations

import os
from typing import IO, Any

from mpi_pgpe.exports.contents import flatten_settings
from mpi_pgpe.exports.output import Writer
from mpi_pgpe.runs.artifacts import Artifact
from mpi_pgpe.runs.reader import RecordedRun

FILE = "events.out.tfevents.0000000000.mpi_pgpe"  # by the part in the middle TensorBoard knows it


class EventFiles(Writer):
    """NAME/events.out.tfevents..., by TensorBoard's own writer of records, and the agents in NAME/agents.

    What is noted is the length of the file: after a kill the rest is cut off and written again, to the same bytes,
    because the times in it are those of the record.
    """

    needs = ("tensorboard",)
    shows = "tensorboard --logdir {folder}"

    _file: IO[bytes] | None = None

    def update(self, run: RecordedRun, artifacts: list[Artifact]) -> int:
        """Append the new points, and copy the new agents."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        file = self._file or self._open()
        writer = RecordWriter(file)
        if not self.state.get("bytes"):
            began = min(run.times.values(), default=0.0)
            settings = hparams_pb(flatten_settings(run.config), trial_id=self.key, start_time_secs=began)
            for event in (Event(wall_time=began, file_version="brain.Event:2"), Event(wall_time=began)):
                if not event.file_version:
                    event.summary.CopyFrom(settings)
                writer.write(event.SerializeToString())
            self._commit([], file)
        generations = 0
        for batch in self.new_rows(run):
            for row in batch:
                for name, step, value in row.scalars():
                    summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                    writer.write(Event(wall_time=row.time, step=step, summary=summary).SerializeToString())
            self._commit(batch, file)
            generations += len(batch)
        self.copy_artifacts(artifacts, self.folder / self.name / "agents")
        return generations

    def _open(self) -> IO[bytes]:
        path = self.folder / self.name / FILE
        path.parent.mkdir(exist_ok=True)
        self._file = file = open(path, "ab")  # noqa: SIM115 (closed by `close`)
        known = self.state.get("bytes", 0)
        if file.tell() < known:  # it was deleted
            self.state.update(bytes=0, done={})
            known = 0
        file.truncate(known)
        file.seek(known)
        return file

    def _commit(self, rows: list[Any], file: IO[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())
        self.note(rows, bytes=file.tell())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

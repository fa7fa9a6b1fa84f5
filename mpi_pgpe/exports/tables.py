"""Export to files of comma-separated values, which spreadsheets and data frames read."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone
from typing import Any

from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.exports.contents import flatten_settings, read_rows
from mpi_pgpe.exports.output import Writer
from mpi_pgpe.runs.artifacts import Artifact
from mpi_pgpe.runs.reader import RecordedRun

_FIRST = ("generation", "timesteps", "elapsed")


class Tables(Writer):
    """NAME/metrics.csv with a line for each generation, NAME/settings.csv, and the agents in NAME/agents.

    The tables are written anew, so that a metric that comes later gets its column.
    """

    needs = ("csv",)
    shows = 'pandas.read_csv("{folder}/RUN/metrics.csv")'

    def update(self, run: RecordedRun, artifacts: list[Artifact]) -> int:
        """Write both tables if there is a new generation, and the agents that are new."""
        folder = self.folder / self.name
        folder.mkdir(exist_ok=True)
        new = [row for batch in self.new_rows(run) for row in batch]
        if new or not (folder / "metrics.csv").exists():
            rows = list(read_rows(run, {}))
            names = [name for name in _FIRST if name in run.metrics] + sorted(set(run.metrics) - set(_FIRST))
            lines: list[list[Any]] = [["step", "timestamp", *names]]
            for row in rows:
                time = datetime.fromtimestamp(row.time, timezone.utc).replace(tzinfo=None).isoformat()
                lines.append([row.generation, time, *(row.values.get(name, "") for name in names)])
            write_atomically(folder / "metrics.csv", _format(lines))
            self.note(rows)
        settings: list[list[Any]] = [["setting", "value"]]
        settings += ([name, value] for name, value in flatten_settings(run.config).items())
        write_atomically(folder / "settings.csv", _format(settings))
        self.copy_artifacts(artifacts, folder / "agents")
        return len({row.generation for row in new})


def _format(lines: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode(errors="replace")

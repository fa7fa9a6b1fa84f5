"""Export to a store of MLflow: a SQLite file, and a folder for artifacts."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import UserError
from mpi_pgpe.exports.contents import flatten_settings
from mpi_pgpe.exports.output import Writer
from mpi_pgpe.runs.artifacts import Artifact
from mpi_pgpe.runs.dead_runs import RUNNING
from mpi_pgpe.runs.reader import RecordedRun

DATABASE, ARTIFACTS, EXPERIMENT = "mlflow.db", "artifacts", "mpi_pgpe"
_TAG = "mpi_pgpe.key"
_MOST_METRICS, _MOST_SETTINGS = 1000, 100  # in one call
_LONGEST_VALUE = 6000  # characters of a setting
_STATUS = {"COMPLETED": "FINISHED", "FAILED": "FAILED", RUNNING: RUNNING, "QUEUED": "SCHEDULED"}


class MlflowStore(Writer):
    """A run in mlflow.db, by MLflow's own client, with the agents as its artifacts.

    The store has each point once, whatever is sent twice: metric, step, time and value together are its key. What is
    noted only saves the time of sending all again.
    """

    needs = ("mlflow", "sqlalchemy", "alembic")  # mlflow-skinny brings the first alone
    shows = "mlflow ui --backend-store-uri sqlite:///{folder}/" + DATABASE + " (needs the whole mlflow)"

    _client: Any = None
    _id = ""

    def update(self, run: RecordedRun, artifacts: list[Artifact]) -> int:
        """Send the new points, the settings, the status, and the new agents."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        try:
            if self._client is None:
                self._open(run)
            generations = 0
            for batch in self.new_rows(run):
                metrics = [
                    Metric(_clean(name), value, int(1000 * row.time), step)
                    for row in batch
                    for name, step, value in row.scalars()
                ]
                for start in range(0, len(metrics), _MOST_METRICS):
                    self._client.log_batch(self._id, metrics=metrics[start : start + _MOST_METRICS])
                self.note(batch)
                generations += len(batch)
            self._send_artifacts(artifacts)
            self._set_status(run)
        except MlflowException as error:
            raise UserError(f"{self.folder}: MLflow refuses run {self.name}: {error}") from None
        return generations

    def _open(self, run: RecordedRun) -> None:
        """Find the run in the store, or make it there."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.folder = self.folder.absolute()
        self._client = client = MlflowClient(tracking_uri=_make_store(self.folder))
        experiment = client.get_experiment_by_name(EXPERIMENT)
        place = (self.folder / ARTIFACTS).as_uri()
        number = client.create_experiment(EXPERIMENT, place) if experiment is None else experiment.experiment_id
        found: list[Any] = [*client.search_runs([number], f"tags.`{_TAG}` = '{self.key}'")]
        if not found:
            self.state.update(done={}, artifacts={})
            began = int(1000 * min(run.times.values(), default=0.0))
            found = [client.create_run(number, start_time=began, tags={_TAG: self.key}, run_name=self.name)]
        self._id = found[0].info.run_id
        known = found[0].data.params
        settings = [
            Param(_clean(name), str(value)[:_LONGEST_VALUE]) for name, value in flatten_settings(run.config).items()
        ]
        missing = [setting for setting in settings if setting.key not in known]
        for start in range(0, len(missing), _MOST_SETTINGS):
            client.log_batch(self._id, params=missing[start : start + _MOST_SETTINGS])

    def _send_artifacts(self, artifacts: list[Artifact]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for artifact in self.new_artifacts(artifacts):
                path = Path(folder) / artifact.name
                path.write_bytes(artifact.read())
                self._client.log_artifact(self._id, str(path), "agents")
                path.unlink()

    def _set_status(self, run: RecordedRun) -> None:
        status = _STATUS.get(run.status, "KILLED")
        if self.state.get("status") == status:
            return
        if run.status in (RUNNING, "QUEUED"):
            self._client.update_run(self._id, status=status)
        else:
            self._client.set_terminated(self._id, status, int(1000 * max(run.times.values(), default=0.0)))
        self.note([], status=status)


def _make_store(folder: Path) -> str:
    """The address of the store; a new one is put in place when all its tables are made."""
    path = folder / DATABASE
    if not path.exists():
        from mlflow import MlflowClient

        aside = folder / f".{DATABASE}"
        for left in folder.glob(f".{DATABASE}*"):
            left.unlink()
        MlflowClient(tracking_uri=f"sqlite:///{aside}").get_experiment_by_name(EXPERIMENT)
        aside.rename(path)
    return f"sqlite:///{path}"


def _clean(name: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w./: -]", "_", name)[:250]

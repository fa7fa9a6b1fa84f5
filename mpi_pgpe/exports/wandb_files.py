"""Export to the files that Weights & Biases keeps of a run without a network; `wandb sync` uploads them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from mpi_pgpe.exports.contents import Row, flatten_settings, read_rows
from mpi_pgpe.exports.output import Writer
from mpi_pgpe.runs.artifacts import Artifact
from mpi_pgpe.runs.dead_runs import RUNNING
from mpi_pgpe.runs.reader import RecordedRun
from mpi_pgpe.training.metrics import NOT_PLOTTED

PROJECT = "mpi_pgpe"


class WandbFiles(Writer):
    """wandb/offline-run-DATE-KEY, by wandb itself, with the agents as an artifact.

    Such a folder cannot be gone on with, so a run that has something new gets a new one, with all of it, and then the
    old one is removed. Both have the same id: where the old one was uploaded, the new one takes its place.
    """

    needs = ("wandb",)
    shows = "wandb sync {folder}/wandb/offline-run-*"

    _run: Any = None
    _sent: dict[int, Row]

    def update(self, run: RecordedRun, artifacts: list[Artifact]) -> int:
        """Log the new points to the open folder or, if none is open, all of them to a new one."""
        versions = {artifact.name: artifact.version for artifact in artifacts}
        self._last = run, artifacts, versions
        known = self.state.get("folder")
        if self._run is None:
            complete = known is not None and (self.folder / "wandb" / known).is_dir()
            noted = (self.state.get("artifacts"), self.state.get("status"))
            if complete and noted == (versions, run.status) and not any(self.new_rows(run)):
                return 0
            self._begin(run)
        new = 0
        for row in read_rows(run, {}):
            if row.generation in self._sent:
                continue
            self._log(row)
            new += any(row.generation > self.done.get(name, -1) for name in row.values)
        return new

    def _begin(self, run: RecordedRun) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing leaves this machine
        # That of another program, which has this one as its child, would still hold a run that was cut off by a kill.
        os.environ.pop("WANDB_SERVICE", None)
        import wandb

        self._remove(but=self.state.get("folder"))
        while list((self.folder / "wandb").glob(f"offline-run-{time.strftime('%Y%m%d_%H%M%S')}-{self.key}")):
            time.sleep(0.1)  # the folders' names tell them apart by the second
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, save_code=False, x_disable_stats=True,
            x_disable_meta=True,
        )  # fmt: skip
        self._run = wandb.init(
            mode="offline", dir=str(self.folder), project=PROJECT, id=self.key, name=self.name,
            config=flatten_settings(run.config), settings=settings, reinit="create_new",
        )  # fmt: skip
        os.environ["WANDB_DATA_DIR"] = self._run.settings.sync_dir  # where its artifacts wait for `wandb sync`
        self._run.define_metric("*", step_metric="generation")
        self._sent = {}

    def _log(self, row: Row) -> None:
        values = {name: value for name, value in row.values.items() if name not in NOT_PLOTTED}
        self._run.log({**values, "generation": row.generation, "recorded": row.time}, step=row.generation)
        self._sent[row.generation] = row

    def close(self) -> None:
        """Complete the folder, and remove the one that it replaces."""
        if self._run is None:
            return
        run, artifacts, versions = self._last
        rows = list(read_rows(run, {}))
        if any(_differ(row, self._sent.get(row.generation)) for row in rows):  # a generation came piece by piece
            self._finish(run, [])
            self._begin(run)
            for row in rows:
                self._log(row)
        name = self._finish(run, artifacts)
        self.note(rows, folder=name, artifacts=versions, status=run.status)
        self._remove(but=name)

    def _finish(self, run: RecordedRun, artifacts: list[Artifact]) -> str:
        """Write the end; returns the folder's name."""
        import wandb

        with tempfile.TemporaryDirectory() as folder:
            if artifacts:
                kept = wandb.Artifact(f"agents-{self.key}", type="model")
                for artifact in artifacts:
                    (Path(folder) / artifact.name).write_bytes(artifact.read())
                    kept.add_file(str(Path(folder) / artifact.name))
                self._run.log_artifact(kept)
            name = Path(self._run.settings.sync_dir).name
            self._run.finish(exit_code=0 if run.status in ("COMPLETED", RUNNING) else 1)
        self._run = None
        return name

    def _remove(self, but: str | None) -> None:
        """Remove this run's folders, those that a kill left too, but for one."""
        for path in (self.folder / "wandb").glob(f"offline-run-*-{self.key}"):
            if path.name != but:
                with contextlib.suppress(OSError):
                    shutil.rmtree(path)


def _differ(row: Row, other: Row | None) -> bool:
    return other is None or {k: repr(v) for k, v in row.values.items()} != {k: repr(v) for k, v in other.values.items()}

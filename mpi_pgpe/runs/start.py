"""The checkpoint that a run goes on from: what it holds, and whether the versions now are those of then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.state import State, digest
from mpi_pgpe.base.text import format_path, make_printable
from mpi_pgpe.runs.checkpoint import CheckpointError, read
from mpi_pgpe.training.setting import ALWAYS_THERE
from mpi_pgpe.training.settings import TABLE

EARLIER = {name: each.before for name, each in TABLE.items() if each.before is not ALWAYS_THERE}
"""Settings that checkpoints may lack, with what the program did before there were such settings."""


class CannotResume(WrongInput):
    """There is nothing to go on from, or it does not fit; the message says what to do."""


@dataclass
class Start:
    """A checkpoint that a run goes on from."""

    content: State
    path: Path

    @property
    def generation(self) -> int:
        """The last completed one."""
        return int(self.content["trainer"]["result"]["search"]["generation"])

    @property
    def seed(self) -> int:
        """The run's."""
        return int(self.content["settings"]["seed"])

    @property
    def earlier_rules(self) -> dict[str, Any]:
        """Settings that are not in the checkpoint, with what the program did before there were such settings."""
        return {name: value for name, value in EARLIER.items() if name not in self.content["settings"]}

    @property
    def versions(self) -> dict[str, str]:
        """What it was made with; {} in checkpoints of 0.1.0, which do not say."""
        return {str(name): str(version) for name, version in self.content.get("versions", {}).items()}

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The records that hold the run so far, oldest first: what `Keeper` was told of each."""
        return list(self.content["runs"])


def load(path: Path) -> Start:
    """The checkpoint in a file.

    Raises:
        CheckpointError: it cannot be read, or is not as a run leaves it.
    """
    start = Start(read(path), path)
    try:
        last = start.content["metrics"].get("state_digest")
        known = {} if last is None else dict(zip(last["generations"].tolist(), last["values"].tolist(), strict=True))
        said = known.get(start.generation)
        wrong = said is not None and said != digest(start.content["trainer"]["result"])
        complete = (
            isinstance(start.seed, int)
            and isinstance(start.versions, dict)
            and all(isinstance(run["folder"], str) for run in start.runs)
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{format_path(path)}: expected the checkpoint of a run, but something in it is missing or odd "
            f"({type(error).__name__}: {error})"
        ) from None
    if wrong or not complete or not start.runs:
        raise CheckpointError(
            f"{format_path(path)}: damaged: its state is not that of generation {start.generation} in its metrics"
        )
    return start


def check_versions(start: Start, versions: Mapping[str, str], strict: bool) -> str | None:
    """What to say if a run goes on with other versions than those that its checkpoint was made with; None if not.

    Raises:
        CannotResume: they are others, or the checkpoint does not say which they were, and `strict` is True.
    """
    there = start.versions
    if not there:
        if strict:
            raise CannotResume(
                f"resume_strict: {format_path(start.path)} does not say with which versions it was made, as 0.1.0 did "
                "not; without resume_strict=True the run goes on"
            )
        return None
    different = [
        f"{name} {there.get(name, 'not used')} there, {versions.get(name, 'not used')} now"
        for name in sorted({*there, *versions})
        if there.get(name) != versions.get(name)
    ]
    if not different:
        return None
    if strict:
        raise CannotResume(
            f"resume_strict: {format_path(start.path)} was made with other versions: {'; '.join(different)}. "
            "Install those of then, or go on without resume_strict=True"
        )
    return make_printable(
        f"going on with other versions: {'; '.join(different)}. From here on the results may be others, to the last "
        "bits or altogether; resume_strict=True refuses it"
    )

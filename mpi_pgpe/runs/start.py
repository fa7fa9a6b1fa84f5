"""The checkpoint that a run goes on from: what it holds, and whether the versions now are those of then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.state import State, digest
from mpi_pgpe.base.text import format_path, make_printable
from mpi_pgpe.runs.checkpoint import CheckpointError, read
from mpi_pgpe.training.general_defaults import BEFORE, is_general
from mpi_pgpe.training.setting import ALWAYS_THERE
from mpi_pgpe.training.settings import TABLE, Settings

EARLIER = {name: each.before for name, each in TABLE.items() if each.before is not ALWAYS_THERE}
"""Settings that checkpoints may lack, with what the program did before there were such settings."""


DEFAULTS = "defaults"
"""The entry of checkpoints of runs that were begun since there are general defaults."""


def earlier_defaults(given: Collection[str]) -> dict[str, Any]:
    """What a run in an environment without a prepared configuration had, before there were general defaults.

    Without what is given, and what follows from that as it does now.
    """
    follows = {"num_interactions"} if "popsize" in given else set()
    return {name: value for name, value in BEFORE.items() if name not in given and name not in follows}


class CannotResume(WrongInput):
    """There is nothing to go on from, or it does not fit; the message says what to do."""


@dataclass
class Start:
    """A checkpoint that a run goes on from.

    Attributes:
        content: of the file.
        path: of the file.
        given: names of the settings that are set for the run that goes on, rather than left to their defaults.
    """

    content: State
    path: Path
    given: frozenset[str] = frozenset()

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
        """Settings that are not in the checkpoint, with what the program did before there were such settings; and those
        that nobody set, with what their defaults were when the run began."""
        there = self.content["settings"]
        rules = {name: value for name, value in EARLIER.items() if name not in there}
        if DEFAULTS not in self.content and is_general(there["env_name"], there.get("function")):
            rules |= earlier_defaults(self.given)
        return rules

    def apply_earlier_rules(self, settings: Settings) -> Settings:
        """`settings`, with the earlier rules in place of what is not given."""
        return replace(settings, **{n: value for n, value in self.earlier_rules.items() if n not in self.given})

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


def check_size(start: Start, num_parameters: int) -> None:
    """Refuse a checkpoint of another number of parameters: the environment or one's own network has changed.

    Raises:
        CannotResume: it is of another.
    """
    there = len(start.content["trainer"]["result"]["search"]["center"])
    if there != num_parameters:
        raise CannotResume(
            f"resume: {format_path(start.path)} has {there} parameters, but {num_parameters} are trained now; go on "
            "with the environment and the policy of then, or begin anew"
        )

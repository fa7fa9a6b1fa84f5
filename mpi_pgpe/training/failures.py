"""What is said of an environment, or of what else is evaluated, that fails."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.parallel.tasks import TaskFailed

_LONGEST = 20_000  # characters of a traceback


def describe_failure(what: str, where: str) -> str:
    """The beginning of the message: `what` failed, such as "environment 'A'"; `where` tells rank, episode and seed."""
    return f"{what} failed {where}"


def make_failure(what: str, where: str, error: BaseException, one_line: bool = False) -> TaskFailed:
    """The error of a task in which `what` raised `error`, with its traceback unless `one_line`."""
    if one_line:
        failure = TaskFailed(f"{describe_failure(what, where)}: {error}")
        failure.one_line = True
        return failure
    lines = "".join(traceback.format_exception(error))
    if len(lines) > _LONGEST:
        lines = f"{lines[: _LONGEST // 2]}\n...\n{lines[-_LONGEST // 2 :]}"
    return TaskFailed(f"{describe_failure(what, where)}: {describe_error(error)}\n\n{lines}")


def check_failures(failures: Sequence[str], most: int) -> None:
    """Raise TaskFailed if more than `most` (setting max_episode_errors) episodes of a generation failed."""
    if len(failures) > most:
        raise TaskFailed(
            f"{len(failures)} episodes failed in a generation, more than max_episode_errors={most}; the last one:\n"
            f"{failures[-1]}"
        )

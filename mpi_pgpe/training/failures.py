"""What is said of an environment that fails."""

from __future__ import annotations

import traceback

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.parallel.tasks import TaskFailed

_LONGEST = 20_000  # characters of a traceback


def describe_failure(name: str, where: str) -> str:
    """The beginning of the message; `where` tells rank, episode and seed."""
    return f"environment {name!r} failed {where}"


def make_failure(name: str, where: str, error: BaseException) -> TaskFailed:
    """The error of a task in which an environment raised `error`, with its traceback."""
    lines = "".join(traceback.format_exception(error))
    if len(lines) > _LONGEST:
        lines = f"{lines[: _LONGEST // 2]}\n...\n{lines[-_LONGEST // 2 :]}"
    return TaskFailed(f"{describe_failure(name, where)}: {describe_error(error)}\n\n{lines}")

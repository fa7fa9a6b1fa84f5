"""The messages between rank 0 and the ranks that it hands tasks to."""

from __future__ import annotations

import struct

import numpy as np

from mpi_pgpe.parallel.tasks import RESULT

TASK, DONE, FAILURE, REMARKS, BEGIN = range(1, 6)  # tags of messages

TASK_LAYOUT = struct.Struct("=q?")
"""The bytes of a TASK: its number, or END, and whether it is known to be needed."""

END = -1  # in place of a task: the generation has all that it needs

DONE_TASK = np.dtype(
    [("handout", np.int64), ("task", np.int64), ("idle", np.float64), ("seconds", np.float64), ("result", RESULT)]
)
"""A task that is done: of which hand-out; seconds that the rank was without a task before it, and that it took."""

DONE_LAYOUT = struct.Struct("=qqddddqq")
"""The bytes of a DONE_TASK: hand-out, task, idle, seconds, both fitnesses, both interactions. Rank 0 unpacks one for
each task, which costs a third of what numpy's structured scalar does."""

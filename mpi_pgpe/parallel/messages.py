"""The messages between rank 0 and the ranks that it hands tasks to."""

from __future__ import annotations

import struct

TASK, DONE, FAILURE, REMARKS, BEGIN = range(1, 6)  # tags of messages

TASK_LAYOUT = struct.Struct("=q?")
"""The bytes of a TASK: its number, or END, and whether it is known to be needed."""

END = -1  # in place of a task: the generation has all that it needs


def done_layout(evaluations: int) -> struct.Struct:
    """The bytes of a task that is done: of which hand-out, its number, seconds that the rank was without a task before
    it, and that it took; fitnesses and interactions of its evaluations.

    Rank 0 unpacks one for each task, which costs a third of what numpy's structured scalar does.
    """
    return struct.Struct(f"=qqdd{evaluations}d{evaluations}q")

"""The messages between rank 0 and the ranks that it hands tasks to: their tags, and what ends a hand-out."""

TASK, RESULT, FAILURE, REMARKS, BEGIN = range(1, 6)  # tags of messages


END = -1  # in place of a task: the generation has all that it needs

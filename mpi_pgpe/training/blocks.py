"""How what is evaluated in a round is shared out in tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Blocks:
    """How the `total` items of a round, directions or episodes, are shared out in tasks of `size`, the last smaller."""

    total: int
    size: int = 1

    @property
    def tasks(self) -> int:
        """Tasks in a round."""
        return -(-self.total // self.size)

    def items(self, task: int) -> range:
        """The numbers of a task's items; those of further rounds follow."""
        number, place = divmod(task, self.tasks)
        first = place * self.size
        return range(number * self.total + first, number * self.total + min(first + self.size, self.total))

    def flatten(self, values: NDArray[Any], per_item: int) -> NDArray[Any]:
        """Values of all items, shape (items, per_item), from those of whole rounds of tasks, shape (tasks, n).

        A task has at least size * per_item values, of which the first are those of its items.
        """
        of_tasks = values[:, : self.size * per_item].reshape(-1, self.tasks * self.size, per_item)
        return np.reshape(of_tasks[:, : self.total], (-1, per_item))

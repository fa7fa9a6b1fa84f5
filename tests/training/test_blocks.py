"""How directions and episodes are shared out in tasks."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe.training.blocks import Blocks


@pytest.mark.parametrize(("total", "size"), [(1, 1), (5, 1), (6, 3), (7, 3), (2, 5), (9, 4)])
def test_every_item_of_every_round_is_in_one_task(total: int, size: int) -> None:
    blocks, rounds = Blocks(total, size), 3
    parts = [blocks.items(task) for task in range(rounds * blocks.tasks)]
    assert [item for part in parts for item in part] == list(range(rounds * total))
    assert max(len(part) for part in parts) == min(size, total)
    values = np.full((len(parts), 2 * size), -1.0)
    for row, part in zip(values, parts, strict=True):
        row[: 2 * len(part)] = [item + sign / 2 for item in part for sign in (0, 1)]
    expected = np.arange(rounds * total)[:, None] + [0, 0.5]
    np.testing.assert_array_equal(blocks.flatten(values, 2), expected)


def test_values_of_single_items_are_the_first_of_a_task() -> None:
    np.testing.assert_array_equal(Blocks(3).flatten(np.array([[1.0, 0], [2, 0], [3, 0]]), 1), [[1], [2], [3]])

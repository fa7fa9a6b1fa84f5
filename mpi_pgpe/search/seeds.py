"""All that is random in a run: the seeds of its directions and of its episodes, from their place in it alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED  # of the hash


def draw_run_seed() -> int:
    """A seed for a run that is given none: 128 bits from the operating system."""
    return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]


def seed_table(run_seed: int, generation: int, count: int) -> NDArray[np.uint64]:
    """The seeds of a generation's first `count` directions, a function of the arguments alone.

    Returns:
        uint64 array of shape (count,); a longer table begins with a shorter one.
    """
    stream = np.random.Philox(np.random.SeedSequence([run_seed, generation]))
    return np.asarray(stream.random_raw(count), dtype=np.uint64)


def episode_seed(run_seed: int, purpose: int, generation: int, item: int, sign: int, episode: int) -> int:
    """The environment seed of an episode: 31 bits, from its place in the run alone.

    Args:
        run_seed: of the run.
        purpose: 0 for training, 1 for re-evaluation.
        generation: its number.
        item: the direction, or the number of the re-evaluation episode.
        sign: 0 for center + stdev * e, 1 for center - stdev * e (or 0 for both, with common random
            numbers).
        episode: number among the episodes of one solution.
    """
    place: Any = [run_seed, purpose, generation, item, sign, episode]
    if run_seed < 2**32:
        place = np.array(place, np.uint32)  # numpy turns the list into the same, but slowly
    # generate_state(1)[0], in half its time. The hash is O'Neill's of 2015, seed_seq_fe, which numpy keeps.
    word: int = np.random.SeedSequence(place).pool.item(0)
    word = (word ^ _INIT_B) * (_INIT_B * _MULT_B % 2**32) % 2**32
    return (word ^ word >> 16) >> 1

"""Films last as long as their episodes, at any number of frames a second, and hold a frame at least."""

from __future__ import annotations

from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from families import random_policy

from mpi_pgpe import envs
from mpi_pgpe.cli.film import Film, ViewedEnvironment
from mpi_pgpe.training.rollout import Rollout

pytestmark = pytest.mark.serial


def filmed(path: Path, fps: float, steps: int) -> tuple[list[float], float]:
    """(brightness of each frame, seconds) of a film of an episode."""
    env = envs.make("faulty_envs:Painted", {"fps": fps, "length": steps, "render_mode": "rgb_array"})
    with Film(path, env.frames_per_second) as film:
        Rollout(ViewedEnvironment(env, film)).run(random_policy(env), 1)
    reader = imageio.get_reader(path)
    frames = [float(np.asarray(frame)[40:, 40:].mean()) for frame in reader]  # away from the caption
    meta = reader.get_meta_data()
    return frames, meta["duration"] * len(frames) / 1000 if path.suffix == ".gif" else len(frames) / meta["fps"]


@pytest.mark.parametrize(("fps", "steps"), [(0.5, 5), (0.3, 3), (1, 4), (12.5, 10), (29.97, 10)])
def test_a_film_lasts_as_long_as_the_episode(fps: float, steps: int, tmp_path: Path) -> None:
    frames, seconds = filmed(tmp_path / "a.mp4", fps, steps)
    assert seconds == pytest.approx(steps / fps, rel=0.01)
    assert frames == sorted(frames)
    assert len({round(x / 20) for x in frames}) == steps


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("fps", [0.5, 20, 50, 200])
def test_a_gif_of_a_short_episode_has_its_first_frame(fps: float, steps: int, tmp_path: Path) -> None:
    frames, _ = filmed(tmp_path / "a.gif", fps, steps)
    every = {0.5: 1, 20: 1, 50: 2, 200: 6}[fps]
    assert [round(x / 20) for x in frames] == list(range(1, steps + 1, every))

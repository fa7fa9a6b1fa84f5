"""Episodes to look at: a wrapper that shows each state as it comes, and the writer of films."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment

SUFFIXES = (".mp4", ".gif")
_FASTEST_GIF = 34  # frames per second; browsers slow down what is faster
_INSTALL = "pip install imageio imageio-ffmpeg"

Look = Callable[["Environment", int, float], None]
"""Called after each step with the environment, the number of steps and the return so far."""


class FilmError(ValueError):
    """A film cannot be made; the message says why, and what to do."""


class Watched:
    """An environment that calls `look` after each step; see `envs.Environment`."""

    def __init__(self, env: Environment, look: Look) -> None:
        self.env = env
        self.observation_size, self.action_space = env.observation_size, env.action_space
        self.time_limit, self.frames_per_second, self.origin = env.time_limit, env.frames_per_second, env.origin
        self.frame, self.remake, self.close = env.frame, env.remake, env.close
        self._look = look

    def reset(self, seed: int) -> Any:
        self._steps, self._return = 0, 0.0
        return self.env.reset(seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        result = self.env.step(action)
        self._steps += 1
        self._return += float(result[1])
        self._look(self.env, self._steps, self._return)
        return result


class Pace:
    """A `Look` that waits, so that a window shows the episode in real time."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self, env: Environment, steps: int, total: float) -> None:
        now = time.monotonic()
        self._due = max(now, self._due + 1 / env.frames_per_second)
        time.sleep(self._due - now)


class Film:
    """A `Look` that writes a film: a frame after each step, with the return so far in it.

    A gif has every second frame, or fewer, where that is needed to show it in real time. The file is in
    its place only after `close`.

    Args:
        path: where to; its suffix, .mp4 or .gif, decides the format.
        frames_per_second: of the environment.

    Raises:
        FilmError: the suffix is another one, or a package is missing.
    """

    def __init__(self, path: str | os.PathLike[str], frames_per_second: int) -> None:
        self.path = Path(path)
        check_path(self.path)
        try:
            import imageio.v2 as imageio
            import imageio_ffmpeg  # noqa: F401  (found by imageio when the first frame comes)
        except ImportError as error:
            raise FilmError(f"a film needs a package that is missing ({error}); {_INSTALL}") from None
        gif = self.path.suffix == ".gif"
        self._every = max(1, math.ceil(frames_per_second / _FASTEST_GIF)) if gif else 1
        descriptor, self._aside = tempfile.mkstemp(dir=self.path.parent, suffix=self.path.suffix)
        os.close(descriptor)
        if gif:
            duration = 1000 * self._every / frames_per_second  # milliseconds
            self._writer = imageio.get_writer(self._aside, mode="I", duration=duration, loop=0)
        else:
            self._writer = imageio.get_writer(self._aside, fps=frames_per_second, macro_block_size=2, quality=7)
        self.title = ""

    def __call__(self, env: Environment, steps: int, total: float) -> None:
        if steps % self._every == 0:
            self._writer.append_data(captioned(env.frame(), f"{self.title}step {steps}   return {total:.1f}"))

    def close(self) -> None:
        """Put the film in its place."""
        self._writer.close()
        Path(self._aside).chmod(0o644)
        os.replace(self._aside, self.path)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._writer.close()
        Path(self._aside).unlink(missing_ok=True)


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise FilmError unless a film can be written to `path`."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise FilmError(f"expected a film's name to end in {' or '.join(SUFFIXES)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise FilmError(f"expected a folder to write {path.name} in, but {path.parent} is none")


def captioned(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The frame, of shape (height, width, 3), with the text in its upper left corner, on a dark ground."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(12, frame.shape[0] // 20)
    image = Image.fromarray(np.ascontiguousarray(frame, dtype=np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(size)
    draw.rectangle(draw.textbbox((size // 2, size // 3), text, font=font), fill=(0, 0, 0, 150))
    draw.text((size // 2, size // 3), text, font=font, fill=(255, 255, 255))
    return np.asarray(image)

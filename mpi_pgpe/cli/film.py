"""Episodes to look at: a wrapper that shows each state as it comes, and the writer of films."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.atomic_file import replace_atomically
from mpi_pgpe.base.errors import UserError, WrongInput

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment, Stretch

SUFFIXES = (".mp4", ".gif")
_FASTEST_GIF = 34  # frames per second; browsers slow down what is faster
_SLOWEST = 1.0  # frames per second; players do not know what to do with less
_INSTALL = "pip install imageio imageio-ffmpeg"

Look = Callable[["Environment", int, float], None]
"""Called after each step with the environment, the number of steps and the return so far."""


class FilmError(UserError):
    """A film cannot be made; the message says why, and what to do."""


class ViewedEnvironment:
    """An environment that calls `look` after each step; see `envs.Environment`."""

    stretch: Stretch | None = None  # which would pass `look` by

    def __init__(self, env: Environment, look: Look) -> None:
        self.env = env
        self.observation_size, self.observation_layout = env.observation_size, env.observation_layout
        self.action_space = env.action_space
        self.time_limit, self.frames_per_second, self.origin = env.time_limit, env.frames_per_second, env.origin
        self.frame, self.remake, self.close = env.frame, env.remake, env.close
        self.inside = env.inside
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

    A gif has every second frame, or fewer, where that is needed to show it in real time; a film of less than one
    frame a second shows each several times. It begins with the first step. The film is a block
    (`with Film(...) as film:`); its file is in its place at the end, and nothing is left of a block that raises.

    Args:
        path: where to; its suffix, .mp4 or .gif, decides the format.
        frames_per_second: of the environment.

    Raises:
        FilmError: the suffix is another one, a package is missing, or the file cannot be written; also at the
            steps and at the end.
    """

    def __init__(self, path: str | os.PathLike[str], frames_per_second: float) -> None:
        self.path = Path(path).absolute()
        check_path(self.path)
        try:
            import imageio.v2 as imageio
            import imageio_ffmpeg  # noqa: F401  (found by imageio when the first frame comes)
        except ImportError as error:
            raise FilmError(f"a film needs a package that is missing ({error}); {_INSTALL}") from None
        gif = self.path.suffix == ".gif"
        self._every = max(1, math.ceil(frames_per_second / _FASTEST_GIF)) if gif else 1
        self._times = 1 if gif else max(1, math.ceil(_SLOWEST / frames_per_second))
        duration = 1000 * self._every / frames_per_second  # milliseconds
        options: dict[str, Any] = {"mode": "I", "duration": duration, "loop": 0}
        if not gif:
            options = {"fps": frames_per_second * self._times, "macro_block_size": 2, "quality": 7}
        with self._failing(), contextlib.ExitStack() as stack:
            aside = stack.enter_context(replace_atomically(self.path, self.path.suffix))
            self._writer = imageio.get_writer(aside, **options)
            stack.callback(self._writer.close)  # before its file takes its place
            self._end = stack.pop_all()
        self.title = ""

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FilmError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    def __call__(self, env: Environment, steps: int, total: float) -> None:
        if (steps - 1) % self._every == 0:
            frame = draw_caption(env.frame(), f"{self.title}step {steps}   return {total:.1f}")
            with self._failing():
                for _ in range(self._times):
                    self._writer.append_data(frame)

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *error: Any) -> None:
        with self._failing():
            self._end.__exit__(*error)


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise WrongInput unless a film can be written to `path`."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise WrongInput(f"expected a film's name to end in {' or '.join(SUFFIXES)}, got {str(path)!r}")
    if not os.path.isdir(path.parent):
        raise WrongInput(f"expected a folder to write {path.name} in, but {path.parent} is none")
    if os.path.isdir(path):
        raise WrongInput(f"expected the name of a file to write, but {path} is a folder")


def check_display() -> None:
    """Raise WrongInput if it is certain that no window can be opened."""
    if sys.platform != "linux" or "WAYLAND_DISPLAY" in os.environ:
        return
    instead = "use --video OUT.mp4"
    if "DISPLAY" not in os.environ:
        raise WrongInput(f"--render needs a display, and there is none (DISPLAY is not set); {instead}")
    library = ctypes.util.find_library("X11")
    if library is None:
        return
    x11 = ctypes.CDLL(library)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display is None:
        raise WrongInput(f"--render needs a display, and DISPLAY={os.environ['DISPLAY']} does not answer; {instead}")
    x11.XCloseDisplay(ctypes.c_void_p(display))


def draw_caption(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The frame, of shape (height, width, 3), with the text in its upper left corner, on a dark ground."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(12, frame.shape[0] // 20)
    image = Image.fromarray(np.ascontiguousarray(frame, dtype=np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(size)
    draw.rectangle(draw.textbbox((size // 2, size // 3), text, font=font), fill=(0, 0, 0, 150))
    draw.text((size // 2, size // 3), text, font=font, fill=(255, 255, 255))
    return np.asarray(image)

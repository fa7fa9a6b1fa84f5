"""Rendering stays out of training: libraries that draw are loaded when they are used, not when they are imported."""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib.abc
import importlib.machinery
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

DRAWING = ("glfw", "imageio", "OpenGL", "pygame", "pyglet")
"""Packages that simulators import for rendering alone."""

KNOWN = ("gym", "gymnasium", "mpi_pgpe", "mujoco", "mujoco_py", "pybullet_envs")
"""Packages that are known to draw only when they are asked to; others may use what they import at once."""

_deferring = 0  # how many blocks of `defer_rendering` are open


class _Placeholder(ModuleType):
    """Takes the place of a module, or of something in it, until an attribute of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if _deferring:  # from MODULE import NAME
            return _Placeholder(f"{self.__name__}.{name}")
        return getattr(pkgutil.resolve_name(self.__name__), name)


def _asked_by_known_package() -> bool:
    """Whether the import that is under way stands in a module of KNOWN."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("importlib", "mpi_pgpe.envs.rendering")):
            return name.partition(".")[0] in KNOWN
        frame = frame.f_back  # type: ignore[assignment]
    return False


class _Deferrer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds placeholders for the modules of DRAWING."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in DRAWING or not _asked_by_known_package():
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@contextlib.contextmanager
def defer_rendering() -> Iterator[None]:
    """Meanwhile, packages of KNOWN import those of DRAWING as placeholders, unless they are loaded already."""
    global _deferring
    finder = _Deferrer()
    sys.meta_path.insert(0, finder)
    chosen = os.environ.pop("MUJOCO_GL", None)  # else mujoco loads OpenGL by itself
    _deferring += 1
    try:
        yield
    finally:
        _deferring -= 1
        if chosen is not None:
            os.environ["MUJOCO_GL"] = chosen
        sys.meta_path.remove(finder)
        if not _deferring:
            for name in [name for name, module in sys.modules.items() if type(module) is _Placeholder]:
                del sys.modules[name]


def prepare_headless() -> None:
    """Without a display, have pygame draw into memory, and MuJoCo through OSMesa or EGL."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("MUJOCO_GL", "osmesa" if ctypes.util.find_library("OSMesa") else "egl")

"""mujoco-py: whether it is installed, and what it wants set before it is imported."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np

from mpi_pgpe.base.packages import name_script

INSTALL = name_script("bin/install_mujoco_py")
"""What installs it."""


def folder() -> Path:
    """Where MuJoCo 2.1 is, or has to be."""
    return Path(os.environ.get("MUJOCO_PY_MUJOCO_PATH") or Path.home() / ".mujoco" / "mujoco210")


def what_is_missing() -> str | None:
    """What keeps mujoco-py from working, in words; None if it is there. Imports and compiles nothing of it."""
    if "mujoco_py" in sys.modules:
        return None
    if importlib.util.find_spec("mujoco_py") is None:
        return "it is not installed"
    if not (folder() / "bin" / "libmujoco210.so").exists():
        return f"MuJoCo 2.1 is not in {folder()}"
    extension = find_compiled()
    if extension is None:
        return f"it is not compiled for Python {sys.version_info.major}.{sys.version_info.minor}"
    return _what_is_wrong_with(extension)


def _what_is_wrong_with(extension: Path) -> str | None:
    """What would keep it from being imported; mujoco-py would compile anew then, for a minute and on every rank."""
    under = Path(f"{extension}.numpy")  # written by bin/install_mujoco_py
    # What was compiled under numpy 2 also runs with 1, but not the other way round.
    if under.exists() and int(under.read_text().partition(".")[0]) < int(np.__version__.partition(".")[0]):
        return f"it was compiled under numpy {under.read_text().strip()}, and here is numpy {np.__version__}"
    try:
        ctypes.CDLL(str(extension))
    except OSError as error:
        return f"it does not find its libraries ({error})"
    return None


def find_compiled() -> Path | None:
    """What bin/install_mujoco_py had compiled for this Python."""
    spec = importlib.util.find_spec("mujoco_py")
    if spec is None or spec.origin is None:
        return None
    # For machines without a GPU, which `prepare` chooses: it runs on all of them.
    name = f"cymj_*_linuxcpuextensionbuilder_{sys.version_info.major}{sys.version_info.minor}.so"
    return next((Path(spec.origin).parent / "generated").glob(name), None)


def prepare() -> None:
    """Set what mujoco_py looks at when it is imported; its compiled part knows where its libraries are."""
    os.environ.setdefault("MUJOCO_PY_FORCE_CPU", "1")
    library = str(folder() / "bin")
    paths = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path]
    if library not in paths:
        os.environ["LD_LIBRARY_PATH"] = ":".join([*paths, library])


def import_gyms_tasks() -> None:
    """Import gym's MuJoCo tasks, those on today's MuJoCo too, which want mujoco_py to work or to be absent."""
    if "mujoco_py" in sys.modules or what_is_missing() is None:
        return
    sys.modules["mujoco_py"] = None  # type: ignore[assignment]  # to import it is an ImportError now
    try:
        importlib.import_module("gym.envs.mujoco")
    finally:
        del sys.modules["mujoco_py"]

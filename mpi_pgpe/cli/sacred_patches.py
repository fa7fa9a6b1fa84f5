"""sacred without the processes that it starts: none may be started once MPI runs (IDSIA/sacred issue 743).

And without colours in what goes to a file or a pipe, and without an empty line behind an error of one line.
"""

from __future__ import annotations

import ctypes.util
import os
import platform
import re
import sys
import types
import warnings
from typing import Any

# On being imported, sacred looks for the C library through ldconfig (without an answer it takes the program
# itself, which has it), and cpuinfo asks `file` and `uname` (what it is for is switched off below).
_find_library, ctypes.util.find_library = ctypes.util.find_library, lambda name: None
_cpuinfo, sys.modules["cpuinfo"] = sys.modules.get("cpuinfo"), types.ModuleType("cpuinfo")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources is deprecated, says setuptools of sacred
        import sacred.commands
        import sacred.experiment
        from sacred import host_info
finally:
    ctypes.util.find_library = _find_library
    del sys.modules["cpuinfo"]
    if _cpuinfo is not None:
        sys.modules["cpuinfo"] = _cpuinfo

SETTINGS = sacred.SETTINGS
SETTINGS.HOST_INFO.INCLUDE_GPU_INFO = False  # nvidia-smi
SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False  # lscpu, sysctl


def _describe_os() -> list[str]:
    """What sacred gets from platform.platform(), which runs `file` and `uname`."""
    here = os.uname()
    libc = "".join(platform.libc_ver())
    return [here.sysname, f"{here.sysname}-{here.release}-{here.machine}{f'-with-{libc}' if libc else ''}"]


host_info._os.getter_function = _describe_os


def _without_colours() -> None:
    for name, value in vars(sacred.commands).copy().items():
        if name.startswith("COLOR_") or name in ("ENDC", "LEGEND"):
            setattr(sacred.commands, name, re.sub(r"\x1b\[\d*m", "", value))


if not sys.stdout.isatty():
    _without_colours()

_experiment: Any = sacred.experiment
_format_error = _experiment.format_sacred_error
_experiment.format_sacred_error = lambda error, usage: _format_error(error, usage).rstrip("\n")


def capture_by_sacred(wanted: bool) -> None:
    """Whether sacred captures the output as well; never by its default way, which runs `tee`."""
    SETTINGS.CAPTURE_MODE = "sys" if wanted else "no"


capture_by_sacred(False)

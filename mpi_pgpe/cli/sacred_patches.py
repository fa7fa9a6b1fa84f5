"""sacred as this program needs it: `apply` is called before anything else of sacred's is imported.

sacred starts processes, and none may be started once MPI runs (IDSIA/sacred issue 743). Its options -F and -m would add
observers that lose records, and it writes colours to files and pipes.
"""

from __future__ import annotations

import ctypes.util
import functools
import logging
import os
import platform
import re
import sys
import types
import warnings


@functools.cache
def apply() -> None:
    """Import sacred and change it, once."""
    _import_quietly()
    from sacred import SETTINGS, commands, experiment, host_info

    from mpi_pgpe.cli import options, provenance

    SETTINGS.HOST_INFO.INCLUDE_GPU_INFO = False  # nvidia-smi
    SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False  # lscpu, sysctl
    SETTINGS.CAPTURE_MODE = "no"
    host_info._os.getter_function = _describe_os
    host_info._cpu.getter_function = provenance.describe_processor
    host_info._gpus.getter_function = provenance.describe_gpus
    experiment.DEFAULT_COMMAND_LINE_OPTIONS[:] = options.replace_options(experiment.DEFAULT_COMMAND_LINE_OPTIONS)
    if not sys.stdout.isatty():
        _without_colours(commands)
    for name in ("mpi_pgpe", "mpi_pgpe.mpi_pgpe"):  # sacred's loggers
        say_only_what_is_worth_it(name)


def say_only_what_is_worth_it(logger: str | None) -> None:
    """Have a logger, by name or None for the root, leave out what is said elsewhere."""
    logging.getLogger(logger).addFilter(_is_worth_a_word)


def _import_quietly() -> None:
    """Import sacred without the processes that this starts.

    sacred looks for the C library through ldconfig (without an answer it takes the program itself, which has it), and
    cpuinfo asks `file` and `uname` (what it is for is switched off below).
    """
    find_library, cpuinfo = ctypes.util.find_library, sys.modules.get("cpuinfo")
    ctypes.util.find_library = lambda name: None
    sys.modules["cpuinfo"] = types.ModuleType("cpuinfo")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources is deprecated, says setuptools of sacred
            import sacred  # noqa: F401
    finally:
        ctypes.util.find_library = find_library
        del sys.modules["cpuinfo"]
        if cpuinfo is not None:
            sys.modules["cpuinfo"] = cpuinfo


def _describe_os() -> list[str]:
    """What sacred gets from platform.platform(), which runs `file` and `uname`."""
    here = os.uname()
    libc = "".join(platform.libc_ver())
    return [here.sysname, f"{here.sysname}-{here.release}-{here.machine}{f'-with-{libc}' if libc else ''}"]


def _without_colours(commands: types.ModuleType) -> None:
    for name, value in vars(commands).copy().items():
        if name.startswith("COLOR_") or name in ("ENDC", "LEGEND"):
            setattr(commands, name, re.sub(r"\x1b\[\d*m", "", value))


# What the table of settings, the console and the command's own last message say better.
_SAID_ELSEWHERE = re.compile(
    r"Changed type of config entry|Added new config entry: \"(re_eval_)?env_config|No observers have been added|"
    r"(Failed|Aborted) after"
)


def _is_worth_a_word(record: logging.LogRecord) -> bool:
    return not _SAID_ELSEWHERE.match(record.getMessage())

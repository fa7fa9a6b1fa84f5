"""Before numpy is loaded: each rank computes on one thread unless the user says otherwise.

BLAS libraries start a thread for each core of the machine in every process; 64 ranks on 64 cores would
run 4096 threads. Set OMP_NUM_THREADS yourself to override it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

GIVEN = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
"""What the user had set."""


_LIBRARIES = ("openblas", "mkl_rt", "blis")
_SET = ("openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads")
_PREFIXES, _SUFFIXES = ("", "scipy_"), ("", "64_", "_64")
"""What the libraries call the function that sets it, with what builds of numpy's add to the name."""


def limit() -> None:
    """Say so to the libraries that are loaded from now on."""
    for variable in _VARIABLES:
        os.environ.setdefault(variable, os.environ.get("OMP_NUM_THREADS", "1"))


def limit_loaded() -> None:
    """Say so to the libraries that are loaded already, unless the user has said otherwise.

    How a product is shared among threads changes its last bits, and with them the result of a run.
    """
    if GIVEN:
        return
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return
    paths = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    for path in sorted(path for path in paths if any(name in Path(path).name for name in _LIBRARIES)):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 4))
            for name in (f"{before}{name}{after}" for name in _SET for before in _PREFIXES for after in _SUFFIXES):
                if (function := getattr(library, name, None)) is not None:
                    function(1)

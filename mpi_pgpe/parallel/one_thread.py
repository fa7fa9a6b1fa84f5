"""Before numpy is loaded: each rank computes on one thread unless the user says otherwise.

BLAS libraries start a thread for each core of the machine in every process; 64 ranks on 64 cores would
run 4096 threads. Set OMP_NUM_THREADS yourself to override it.
"""

from __future__ import annotations

import os

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

GIVEN = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
"""What the user had set."""


def limit() -> None:
    """Say so to the libraries that are loaded from now on."""
    for variable in _VARIABLES:
        os.environ.setdefault(variable, os.environ.get("OMP_NUM_THREADS", "1"))

"""Import this before numpy: each rank computes on one thread unless the user says otherwise.

BLAS libraries start a thread for each core of the machine in every process; 64 ranks on 64 cores would
run 4096 threads. Set OMP_NUM_THREADS yourself to override it.
"""

import os

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

GIVEN = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
"""What the user had set."""

for _variable in _VARIABLES:
    os.environ.setdefault(_variable, os.environ.get("OMP_NUM_THREADS", "1"))

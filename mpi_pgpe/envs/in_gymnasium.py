"""Importing this module makes the package's environments known to gymnasium.make, which has no plugins.

gymnasium.make("mpi_pgpe.envs.in_gymnasium:mpi_pgpe/Humanoid-v2") imports it, too.
"""

from mpi_pgpe.envs.registration import register_with_gymnasium

register_with_gymnasium()

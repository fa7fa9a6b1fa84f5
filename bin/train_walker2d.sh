#!/bin/bash
# Trains MuJoCo's Walker2d-v2 under mpiexec with the configuration `walker2d`; arguments go to sacred:
#   bin/train_walker2d.sh print_config
#   NRANKS=8 bin/train_walker2d.sh -F results with seed=3
#   V2=modern bin/train_walker2d.sh -F results
# NRANKS: number of ranks (default: all cores).
# V2: mujoco-py for gym's Walker2d-v2 (bin/install_mujoco_py installs it), modern for the same physics on today's MuJoCo
#   (mpi_pgpe/Walker2d-v2). Default: mujoco-py where it is installed. Which it is is printed.
exec "$(dirname "${BASH_SOURCE[0]}")/_train_v2.sh" walker2d Walker2d "$@"

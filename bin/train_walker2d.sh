#!/bin/bash
# Trains MuJoCo's Walker2d-v2 under mpiexec with the configuration `walker2d`; arguments go to sacred:
#   bin/train_walker2d.sh print_config
#   NRANKS=8 bin/train_walker2d.sh -F results with seed=3
# NRANKS: number of ranks (default: all cores).
exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" walker2d "$@"

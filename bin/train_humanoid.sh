#!/bin/bash
# Trains MuJoCo's Humanoid-v2 under mpiexec with the configuration `humanoid`; arguments go to sacred:
#   bin/train_humanoid.sh print_config
#   NRANKS=8 bin/train_humanoid.sh -F results with seed=3
# NRANKS: number of ranks (default: all cores).
exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" humanoid "$@"

#!/bin/bash
# Trains Box2D's LunarLanderContinuous-v2 under mpiexec with the configuration `lunarlander`; arguments go to sacred:
#   bin/train_lunarlander.sh print_config
#   NRANKS=8 bin/train_lunarlander.sh -F results with seed=3
# NRANKS: number of ranks (default: all cores).
exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" lunarlander "$@"

#!/bin/bash
# gymnasium.make_vec("CartPole-v1") is another environment than make: how episodes begin depends on how many there are.
#
# Versions:  gymnasium 1.4.0, numpy 2.4.6
# Expected:  make_vec holds copies of what make gives; seed 5 seeds the first one with 5, the next one with 6, and so on.
# Behaviour: so it is with vectorization_mode="sync" or "async" (the same bits as single ones). But without that argument an
#            environment that has a vectorized class gets it: one generator for all, whose draws are dealt out across
#            the environments. A list of seeds is refused.
# Seen (first observation of environment 0, seed 5):
#   sync, 2 environments: as a single one: True; vectorized class: of 1: True, of 2: False, of 8: False, 2 as 8: False; a list of seeds: Error
. "$(dirname "$0")/_common.sh"

packages gymnasium==1.4.0 numpy==2.4.6

cat >vec.py <<'P'
import gymnasium, numpy as np

def begins(env, seed=5):
    return tuple(np.ravel(env.reset(seed=seed)[0])[:4].tolist())

single = begins(gymnasium.make("CartPole-v1"))
sync = begins(gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"))
own = {n: begins(gymnasium.make_vec("CartPole-v1", num_envs=n)) for n in (1, 2, 8)}
try:
    begins(gymnasium.make_vec("CartPole-v1", num_envs=2), seed=[5, 6])
    seeds = "taken"
except Exception as error:
    seeds = type(error).__name__
print(f"sync, 2 environments: as a single one: {sync == single}; vectorized class: of 1: {own[1] == single},",
      f"of 2: {own[2] == single}, of 8: {own[8] == single}, 2 as 8: {own[2] == own[8]}; a list of seeds: {seeds}")
assert sync == single == own[1] and len({single, own[2], own[8]}) == 3 and seeds == "Error"
P
python vec.py
verdict $?

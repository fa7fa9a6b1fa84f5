#!/bin/bash
# gym and gymnasium refuse numpy integers as seeds; gym's reason is that they are no integers.
#
# Versions:  gymnasium 1.4.0, numpy 2.4.6; gym 0.26.2 with numpy 1.26.4
# Expected:  reset(seed=rng.integers(2**31)) takes what numpy's generators draw (they are registered as Integral).
# Behaviour: both raise an Error. gymnasium names the type, gym prints a number that is what it asks for.
# Seen:
#   gym: Error: Seed must be a non-negative integer or omitted, not 1826701615
#   gymnasium: Error: Seed must be a python integer, actual type: <class 'numpy.int64'>
. "$(dirname "$0")/_common.sh"

layer gym gym==0.26.2 numpy==1.26.4
layer gymnasium gymnasium==1.4.0 numpy==2.4.6

cat >seed.py <<'P'
import importlib, sys, numpy as np

library = importlib.import_module(sys.argv[1])
env = library.make("CartPole-v1", disable_env_checker=True)
try:
    env.reset(seed=np.random.default_rng(0).integers(2**31))
    print(f"{sys.argv[1]}: taken")
except Exception as error:
    print(f"{sys.argv[1]}: {type(error).__name__}: {error}")
P
for library in gym gymnasium; do $library/bin/python seed.py $library 2>err | tee -a out; done
grep -q "gym: Error: Seed must be a non-negative integer or omitted, not 1826701615" out && grep -q "gymnasium: Error: Seed must be a python integer" out
verdict $?

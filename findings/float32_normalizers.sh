#!/bin/bash
# The running statistics of observations are summed in float32 by gym and EvoTorch: what is far from zero loses its stdev.
#
# Versions:  gym 0.26.2 (RunningMeanStd), evotorch 0.6.1 (RunningNorm), torch 2.13.0, numpy 1.26.4
# Expected:  mean and stdev of 200,000 observations of 100 +- 0.1 are found to some digits, in whatever order they come.
# Behaviour: EvoTorch adds up values and squares in the observations' float32; the difference of two large sums has no
#            digits left: the stdev depends on the order, so on how the episodes were shared. gym keeps float64 between
#            batches, and takes the mean of each batch in float32: at most batch sizes that is harmless, the mean
#            of one batch of all is off by 1.3e-5.
# Seen (2,000 batches forwards, backwards):
#   exact: 0.10012; gym: 0.10014 0.10014; EvoTorch: 0.10000 0.16537
. "$(dirname "$0")/_common.sh"

TORCH=${TORCH:-torch==2.13.0} # another spelling where this one brings gigabytes of CUDA libraries
packages "$TORCH" gym==0.26.2 numpy==1.26.4 setuptools==80.9.0 pandas==2.3.3 packaging==26.4
packages --no-deps evotorch==0.6.1 # without ray and others, which its normalizer does not use

cat >norms.py <<'P'
import importlib.util, sys, types, warnings
warnings.simplefilter("ignore")
import numpy as np, torch

for name in "evotorch", "evotorch.neuroevolution", "evotorch.neuroevolution.net":  # their __init__ imports all of EvoTorch
    found = importlib.util.find_spec(name)
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = found.submodule_search_locations
from evotorch.neuroevolution.net.runningnorm import RunningNorm
from gym.wrappers.normalize import RunningMeanStd

observations = (100 + 0.1 * np.random.default_rng(0).normal(size=(200_000, 1))).astype(np.float32)
batches = np.array_split(observations, 2000)

def gym_stdev(parts):
    norm = RunningMeanStd(shape=(1,))
    for part in parts:
        norm.update(part)
    return norm.var[0] ** 0.5

def evotorch_stdev(parts):
    norm = RunningNorm(shape=(1,), dtype="float32")
    for part in parts:
        norm.update(torch.as_tensor(part))
    return norm.stdev.item()

exact = observations.astype(np.float64).std()
found = {f.__name__: (f(batches), f(batches[::-1])) for f in (gym_stdev, evotorch_stdev)}
(g, g_back), (e, e_back) = found.values()
print(f"exact: {exact:.5f}; gym: {g:.5f} {g_back:.5f}; EvoTorch: {e:.5f} {e_back:.5f}")
assert abs(e - e_back) > 0.01
P
python norms.py 2>err || { tail -n 3 err; false; }
verdict $?

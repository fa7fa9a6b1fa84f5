#!/bin/bash
# EnvPool's reset(seed=...) takes a seed, and does nothing with it.
#
# Versions:  envpool 1.2.5, gymnasium 1.4.0, numpy 2.4.6; env_type="gymnasium"
# Expected:  reset(seed=5) begins the same episode each time, as gymnasium's interface has it; or it is refused.
# Behaviour: seeds count in envpool.make alone. Afterwards each reset goes on with its generator, whatever seed is given.
# Seen:
#   reset(seed=5), reset(seed=5): the same beginning: False; two made with seed=5, reset(), reset(seed=7): the same: True
. "$(dirname "$0")/_common.sh"

packages gymnasium==1.4.0 numpy==2.4.6 dm-env==1.6 optree==0.17.0 packaging==26.4
packages --no-deps envpool==1.2.5 # without hundreds of megabytes of models and textures

cat >seeds.py <<'P'
import sys, types, warnings
warnings.simplefilter("ignore")
sys.modules["envpool.entry"] = types.ModuleType("all")  # registers every family, and wants the files of each
import envpool
import envpool.classic_control.registration

def made():
    return envpool.make("CartPole-v1", env_type="gymnasium", num_envs=2, seed=5)

def begins(env, **seed):
    return env.reset(**seed)[0].tolist()

env = made()
same = begins(env, seed=5) == begins(env, seed=5)
ignored = begins(made()) == begins(made(), seed=7)
print(f"reset(seed=5), reset(seed=5): the same beginning: {same};",
      f"two made with seed=5, reset(), reset(seed=7): the same: {ignored}")
assert not same and ignored
P
python seeds.py 2>err || { tail -n 3 err; false; }
verdict $?

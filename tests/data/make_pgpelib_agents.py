"""Writes agents as pgpelib (2020) did, with real torch and numpy objects: make_pgpelib_agents.py FOLDER.

pgpelib and gym are stood in for by classes of the same names with the same attributes; the pickling is
Python's, torch's and numpy's own. Beside each NAME.pickle stands NAME.npz: observations, and the actions
that pgpelib's formulas (computed here, in torch) give for them. Shares no code with the package.
"""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import nn


def module(name, **classes):
    sys.modules[name] = types.ModuleType(name)
    for class_name, cls in classes.items():
        cls.__module__, cls.__qualname__ = name, class_name
        setattr(sys.modules[name], class_name, cls)


class LinearPolicy:
    pass


class MLPPolicy:
    pass


class RunningStat:
    pass


class Box:
    pass


class Discrete:
    pass


for package in ("pgpelib", "gym", "gym.spaces"):
    module(package)
module("pgpelib.policies", LinearPolicy=LinearPolicy, MLPPolicy=MLPPolicy)
module("pgpelib.runningstat", RunningStat=RunningStat)
module("gym.spaces.box", Box=Box)
module("gym.spaces.discrete", Discrete=Discrete)


def random_state():
    """As numpy before 1.17 pickled it: by a function that is gone."""
    return RandomStateOfOld()


class RandomStateOfOld:
    def __reduce__(self):
        return random_state, (), ("MT19937", np.arange(624, dtype=np.uint32), 3, 0, 0.0)


np.random.__RandomState_ctor = random_state
random_state.__module__, random_state.__qualname__ = "numpy.random", "__RandomState_ctor"


def box(low, high):
    space = Box()
    space.dtype = np.dtype(np.float32)
    space.shape = low.shape
    space.low, space.high = low, high
    space.bounded_below, space.bounded_above = np.isfinite(low), np.isfinite(high)
    space._np_random = np.random.RandomState(3)
    return space


def discrete(n):
    space = Discrete()
    space.n, space.shape, space.dtype, space._np_random = n, (), np.dtype(np.int64), RandomStateOfOld()
    return space


def running_stat(observations):
    stat = RunningStat()
    stat._sum, stat._sumsq, stat._count = float("nan"), float("nan"), 0
    for x in observations:
        first = stat._count == 0
        stat._sum = np.array(x, "float32") if first else stat._sum + x.astype("float32")
        stat._sumsq = np.array(np.square(x), "float32") if first else stat._sumsq + np.square(x).astype("float32")
        stat._count += 1
    return stat


def write(folder, name, net, action_space, stat, protocol, rng, cls=MLPPolicy):
    size = 6
    policy = cls()
    policy.__dict__ = {
        "_env": None,
        "_main_obs_stats": stat,
        "_collected_obs_stats": None if stat is None else running_stat([]),
        "_env_name": "pybullet_envs:HumanoidBulletEnv-v0",
        "_env_config": {"render": False},
        "_observation_space": box(np.full(size, -np.inf, np.float32), np.full(size, np.inf, np.float32)),
        "_action_space": action_space,
        "_seed": None,
        "_collect_obs_stats": True,
        "notes": {"fitness": np.float64(1.5), "history": [1, 2.5], "array": np.arange(3)},
        "_policy": net,
    }
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(policy, protocol))
    observations = drawn(rng, 64, 0.0 if stat is None else 1000.0).astype(np.float32)
    x = observations.copy()
    if stat is not None and stat._count:
        mean = stat._sum / stat._count
        stdev = np.sqrt(np.maximum(stat._sumsq / stat._count - np.square(mean), 1e-2))
        x = (x - mean) / stdev
    with torch.no_grad():
        actions = net(torch.as_tensor(x, dtype=torch.float32)).numpy()
    if isinstance(action_space, Box):
        actions = np.clip(actions, action_space.low, action_space.high)
    else:
        actions = np.argmax(actions, axis=1)
    np.savez(folder / f"{name}.npz", observations=observations, actions=actions)


def drawn(rng, count, first):
    """Observations of 6 numbers, the first of them around `first`, with little spread."""
    observations = rng.normal(1, 2, (count, 6))
    observations[:, 0] = rng.normal(first, 0.3, count)
    return observations


def main(folder):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    seen = drawn(rng, 500, 1000.0)  # float32 sums of these lose digits: pgpelib's did
    bounds = box(np.float32([-1, -0.5]), np.float32([1, 0.5]))
    tanh = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    for protocol in (3, 4):  # the defaults of Python 3.7 and 3.8
        write(folder, f"linear{protocol}", nn.Linear(6, 2), bounds, None, protocol, rng, LinearPolicy)
        write(
            folder, f"linear_norm{protocol}", nn.Linear(6, 2), bounds, running_stat(seen), protocol, rng, LinearPolicy
        )
        write(folder, f"mlp{protocol}", tanh, bounds, None, protocol, rng)
        write(folder, f"mlp_norm{protocol}", tanh, bounds, running_stat(seen), protocol, rng)
    write(folder, "no_bias", nn.Linear(6, 2, bias=False), bounds, None, 4, rng, LinearPolicy)
    write(folder, "nothing_seen", tanh, bounds, running_stat([]), 4, rng)
    write(folder, "discrete", nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)), discrete(4), None, 4, rng)
    relu = [nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh()]
    write(folder, "relu_tanh_output", nn.Sequential(*relu), bounds, running_stat(seen), 4, rng)
    write(folder, "no_activation", nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 2)), bounds, None, 4, rng)
    view = nn.Linear(6, 2)
    view.weight = nn.Parameter(torch.randn(6, 2).t())  # column by column in its storage
    write(folder, "transposed", view, bounds, None, 4, rng, LinearPolicy)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What a step of each kind of policy costs: microseconds, and as a ratio to a multilayer one and to torch's own cell.

    python benchmarks/policies.py

Observations of 17 numbers, 6 actions, one hidden layer. torch steps its cell and a linear layer for one observation, on
one thread and without gradients.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import common
import numpy as np
import torch
from torch import nn

from mpi_pgpe.base.arguments import make_minimum
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.network import CELLS, PolicyShape
from mpi_pgpe.policies.spaces import ActionSpace

OBSERVATIONS, ACTIONS = 17, 6


def stepping(shape: PolicyShape, steps: int) -> Callable[[], None]:
    """A function that takes so many steps of a policy."""
    space = ActionSpace(ACTIONS, np.full(ACTIONS, -1, np.float32), np.ones(ACTIONS, np.float32))
    policy, rng = make_policy(shape, space), np.random.default_rng(0)
    policy.load(rng.normal(0, 0.1, shape.num_parameters).astype(np.float32))
    observation = np.append(rng.normal(size=OBSERVATIONS), 1).astype(np.float32)

    def run() -> None:
        policy.reset()
        for _ in range(steps):
            policy.act(observation)

    return run


def stepping_torch(kind: str, units: int, steps: int) -> Callable[[], None]:
    """The same of torch's cell and a linear layer."""
    cell = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[kind](OBSERVATIONS, units)
    last, observation = nn.Linear(units, ACTIONS), torch.zeros(OBSERVATIONS)

    def run() -> None:
        state = None
        with torch.no_grad():
            for _ in range(steps):
                state = cell(observation, state)
                last(state[0] if kind == "lstm" else state).clip(-1, 1)

    return run


def measure(kind: str, units: int, steps: int, repeats: int) -> common.Row:
    """One kind of cell."""
    cell, plain = (PolicyShape(OBSERVATIONS, ACTIONS, (units,), cell=each) for each in (kind, None))
    functions = [stepping(cell, steps), stepping(plain, steps), stepping_torch(kind, units, steps)]
    own, layers, torchs = common.interleaved(functions, repeats)
    return {
        "cell": kind,
        "units": units,
        "a step, microseconds": 1e6 * statistics.median(own) / steps,
        "of a multilayer policy (median)": common.median_ratio(own, layers),
        "of torch (median)": common.median_ratio(own, torchs),
    }


def main() -> None:
    torch.set_num_threads(1)
    parser = common.parser(__doc__)
    parser.add_argument("--units", metavar="N", type=make_minimum(1), default=64, help="units of the cell")
    parser.add_argument("--steps", metavar="N", type=make_minimum(1), default=5000, help="steps of a measurement")
    args = parser.parse_args()
    rows = [measure(kind, args.units, args.steps, args.repeats) for kind in common.each(list(CELLS))]
    common.report("What a step of a recurrent policy costs", rows, args.json)


if __name__ == "__main__":
    main()

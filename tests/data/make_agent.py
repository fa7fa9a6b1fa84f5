"""Writes the same agent under any Python and numpy: make_agent.py FILE; or reads files: make_agent.py --read FILE...

The files agent_pythonX_numpyY.pickle beside this script were written by it under those versions. Run with
the package on PYTHONPATH; numpy is all that it needs.
"""

import sys

import numpy as np

from mpi_pgpe.agents import Agent, read_agent, write_agent
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace


def agent() -> Agent:
    shape = PolicyShape(3, 2, (4,))
    parameters = (np.arange(shape.num_parameters) / 7).astype(np.float32)
    moments = Moments(3)
    moments.observe(np.array([[1.0, 2.0, 3.0], [4.0, 5.5, 1e9]]))
    space = ActionSpace(2, np.float32([-1, -np.inf]), np.float32([0.1, np.inf]))
    metadata = {
        "env_name": "Pendulum-v1",
        "env_config": {"g": 9.81, "kind": ("a", None, True)},
        "seed": 2**100,
        "notes": "ö 🙂",
        "history": {"generation": [1, 2], "re_eval_mean": [None, 0.1]},
    }
    return Agent(parameters, shape, space, moments, metadata)


def check(path: str) -> None:
    """Raise AssertionError unless the file holds that agent, to the last bit."""
    found, expected = read_agent(path), agent()
    assert found.moments is not None
    assert expected.moments is not None
    assert (found.shape, found.metadata) == (expected.shape, expected.metadata)
    assert found.moments.count == expected.moments.count
    pairs = [
        (found.parameters, expected.parameters),
        (found.moments.sum, expected.moments.sum),
        (found.moments.sumsq, expected.moments.sumsq),
        (found.action_space.low, expected.action_space.low),
        (found.action_space.high, expected.action_space.high),
    ]
    for a, b in pairs:
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


if __name__ == "__main__":
    if sys.argv[1] == "--read":
        for file in sys.argv[2:]:
            check(file)
        print(f"{len(sys.argv) - 2} files read")
    else:
        write_agent(sys.argv[1], agent())

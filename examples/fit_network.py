"""Fit a torch network to data, without gradients: `python fit_network.py [GENERATIONS]`, or under mpirun."""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import mpi_pgpe

torch.set_num_threads(1)  # the ranks are what shares the work
X = torch.linspace(-3, 3, 64)[:, None]
Y = torch.sin(2 * X)
NETWORK = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


@torch.no_grad()
def fitness(solution: np.ndarray) -> float:
    """Minus the mean squared error of the network with these parameters."""
    vector_to_parameters(torch.from_numpy(solution).float(), NETWORK.parameters())
    return -float(torch.mean((NETWORK(X) - Y) ** 2))


if __name__ == "__main__":
    result = mpi_pgpe.maximize(
        fitness,
        solution_length=len(parameters_to_vector(NETWORK.parameters())),
        niters=int(sys.argv[1]) if len(sys.argv) > 1 else 100,
        popsize=100,
        stdev=0.3,
        seed=1,
        verbose=False,
    )
    print(f"mean squared error: {-fitness(result.center):.4f}; state_digest={result.state_digest}")

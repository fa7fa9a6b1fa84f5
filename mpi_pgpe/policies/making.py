"""From the description of a network to the policy that computes it."""

from __future__ import annotations

from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.recurrent import RecurrentPolicy
from mpi_pgpe.policies.spaces import ActionSpace


def make_policy(shape: PolicyShape, action_space: ActionSpace) -> AnyPolicy:
    """The policy of this shape, without parameters yet."""
    return (RecurrentPolicy if shape.cell else Policy)(shape, action_space)

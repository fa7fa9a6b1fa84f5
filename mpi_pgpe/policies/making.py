"""From the description of a network to the policy that computes it."""

from __future__ import annotations

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.own import Own, OwnPolicy, OwnShape
from mpi_pgpe.policies.spaces import ActionSpace

Shape = PolicyShape | OwnShape


def make_policy(shape: Shape, action_space: ActionSpace, own: Own | None = None) -> AnyPolicy:
    """The policy of this shape, without parameters yet.

    Args:
        shape: of the network.
        action_space: the actions that it can take.
        own: the class of a network of one's own. Its name may be a file's, and a file does not choose what code is run.

    Raises:
        WrongInput: `own` is missing, or does not make such a network; or the network is none of one's own.
    """
    if isinstance(shape, PolicyShape):
        if own is not None:
            raise WrongInput(f"policy: expected none for the agent's network {shape}, which is built in")
        if not shape.cell:
            return Policy(shape, action_space)
        from mpi_pgpe.policies.recurrent import RecurrentPolicy  # here, so that most ranks read a file less

        return RecurrentPolicy(shape, action_space)
    if own is None:
        raise WrongInput(
            f"policy: the agent's network is {shape.name}, which is code; a file does not choose what code is run "
            f"here. If it is yours, or you trust it: policy=Class in Python, --policy {shape.name} on the command line"
        )
    policy = OwnPolicy(own, shape.name, shape.observation_size, action_space)
    if policy.shape.num_parameters != shape.num_parameters:
        raise WrongInput(
            f"policy: expected a class with {shape.num_parameters} parameters, as the agent has, got "
            f"{policy.shape.num_parameters}"
        )
    return policy

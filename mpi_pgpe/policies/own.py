"""Networks of one's own: a class that a user brings, as a policy on one flat vector of parameters.

Made by `Class(observation_size, action_size)`, its object is a torch.nn.Module, or has what `Network` says.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.errors import WrongInput, describe_error
from mpi_pgpe.base.global_generators import kept_generators, seed_while_importing
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.spaces import ActionSpace

Own = Callable[[int, int], Any]
"""A class, or a function, that makes a network for so many observations and outputs."""

LARGEST = 2**31
"""Parameters that a network may have."""


class Network(Protocol):
    """What a network of one's own is, unless it is a torch.nn.Module.

    Attributes:
        num_parameters: how many it has.
    """

    num_parameters: int

    def load(self, parameters: NDArray[np.float32]) -> None:
        """Take a parameter vector, float32 of shape (num_parameters,); the array is its own."""
        ...

    def reset(self) -> None:
        """An episode begins: forget all state."""
        ...

    def act(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Outputs of shape (action_size,) for a normalized observation, float32 of shape (observation_size,).

        They are clipped to the bounds of the action space; of discrete actions the largest output is taken.
        """
        ...


@dataclass(frozen=True)
class OwnShape:
    """A network of one's own: its sizes, and the name `module:Class` of its class."""

    observation_size: int
    action_size: int
    name: str
    num_parameters: int

    def __str__(self) -> str:
        return f"{self.observation_size}-...-{self.action_size} ({self.name}, {self.num_parameters} parameters)"

    def summarize(self) -> str:
        """The sizes and the class."""
        return f"{self.observation_size}-...-{self.action_size}, {self.name}"

    def computes_like(self, other: object) -> bool:
        """Whether the two make the same of a parameter vector."""
        return self == other


def check_own(own: Any) -> Own:
    """What makes a network; raises WrongInput for a network that is made already, which may be callable, too."""
    if not (inspect.isclass(own) or inspect.isroutine(own)):
        raise WrongInput(
            "policy: expected a kind of network, or a class or function that makes one, got an instance of "
            f"{type(own).__name__}; give what makes it: Class(observation_size, action_size)"
        )
    made_by: Own = own
    return made_by


class OwnPolicy(AnyPolicy):
    """The policy of a network of one's own.

    Args:
        own: makes the network.
        name: of the class.
        observation_size: of flat observations.
        action_space: the actions that it can take.

    Raises:
        WrongInput: it is no network.
    """

    draws = True

    def __init__(self, own: Own, name: str, observation_size: int, action_space: ActionSpace) -> None:
        super().__init__(action_space)
        self._name = name
        size = self._action_size = action_space.size
        with kept_generators(), seed_while_importing():
            self.network = self._make(own, observation_size, size)
            number = self.network.num_parameters
            self.shape = OwnShape(observation_size, size, name, number)
            self._normalization: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
            self._reference: NDArray[np.float32] | None = None
            self._try(observation_size, number)

    def _make(self, own: Own, observation_size: int, action_size: int) -> Network:
        sizes = f"{observation_size} observations and {action_size} outputs"
        try:
            made = own(observation_size, action_size)
        except Exception as error:  # a user's code may raise anything
            raise self._refusal(
                f"cannot be made for {sizes}: {describe_error(error)}; expected Class(observation_size, action_size)"
            ) from error
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(made, torch.nn.Module):
            in_torch = importlib.import_module("mpi_pgpe.policies.own_torch")  # here, so that others load no torch
            made = in_torch.TorchNetwork(made)
        else:
            missing = [method for method in ("load", "reset", "act") if not callable(getattr(made, method, None))]
            if missing or not hasattr(made, "num_parameters"):
                raise self._refusal(
                    f"has no {', '.join(missing or ['num_parameters'])}; expected num_parameters, load(parameters), "
                    "reset() and act(observation), or a torch.nn.Module"
                )
        number = made.num_parameters
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 1 <= number < LARGEST:
            raise self._refusal(f"expected num_parameters as a whole number of at least 1, got {number!r:.100}")
        return made

    def _try(self, observation_size: int, number: int) -> None:
        """See that it can be used; this leaves no trace, as it is reset."""
        what = f"load of {number} parameters, as num_parameters says,"
        try:
            self.network.load(np.zeros(number, np.float32))
            what = "reset()"
            self.network.reset()
            what = f"act of an observation of shape ({observation_size},)"
            output = self.network.act(np.zeros(observation_size, np.float32))
            what = "reset()"
            self.network.reset()
        except Exception as error:
            raise self._refusal(f"{what} failed: {describe_error(error)}") from error
        self._read(output)

    def _refusal(self, message: str) -> WrongInput:
        return WrongInput(f"policy: {self._name}: {message}")

    def _read(self, output: Any) -> NDArray[np.float32]:
        try:
            read = np.array(output, np.float32)
        except Exception:  # of ragged lists, and of whatever else numpy cannot take
            read = None
        if read is None or read.shape != (self._action_size,):
            shape = type(output).__name__ if read is None else f"shape {read.shape}"
            raise self._refusal(f"expected outputs of shape ({self._action_size},) from act, got {shape}")
        return read

    def load(
        self,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64] | None = None,
        stdev: NDArray[np.float64] | None = None,
        reference: NDArray[np.float64] | None = None,
    ) -> None:
        """See `AnyPolicy.load`."""
        if np.shape(parameters) != (self.shape.num_parameters,):
            raise ValueError(
                f"expected parameters of shape ({self.shape.num_parameters},), got shape {np.shape(parameters)}"
            )
        self._reference = None if reference is None else reference.astype(np.float32)
        self._normalization = None
        if mean is not None and stdev is not None:
            less = mean if reference is None else mean - reference
            self._normalization = less.astype(np.float32), stdev.astype(np.float32)
        self.network.load(np.array(parameters, np.float32))

    def limit_threads(self) -> None:
        """Have a torch module evaluated on one thread in this process."""
        if "mpi_pgpe.policies.own_torch" in sys.modules:
            importlib.import_module("mpi_pgpe.policies.own_torch").limit_threads()

    def reset(self) -> None:
        """Have the network forget its state."""
        self.network.reset()

    def act(self, observation_and_1: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> Any:
        """See `AnyPolicy.act`."""
        x = observation_and_1[:-1]
        x = x.copy() if self._reference is None else x - self._reference
        if self._normalization is not None:
            mean, stdev = self._normalization
            x -= mean
            x /= stdev
        return self._to_action(self._read(self.network.act(x)), out)

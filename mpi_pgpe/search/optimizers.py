"""Optimizers that ascend a gradient: ClipUp, Adam, SGD.

``ascent(gradient)`` returns the step to add to the center. All arrays are float64 of shape (size,).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.checks import check_fraction, check_positive

Vector = NDArray[np.float64]


class Optimizer:
    """Base of the optimizers; `slots` names the arrays that make up the state, all zero at first."""

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, size: int, stepsize: float) -> None:
        self.size = int(size)
        self.stepsize = check_positive("stepsize", stepsize)
        self.steps = 0
        for slot in self.slots:
            setattr(self, slot, np.zeros(self.size))

    def ascent(self, gradient: Vector) -> Vector:
        """Compute the step to add to the parameters, and update the optimizer's state.

        Args:
            gradient: of the fitness, shape (size,).

        Returns:
            float64 array of shape (size,).

        Raises:
            ValueError: the gradient has another shape, or is not finite.
        """
        gradient = np.asarray(gradient, dtype=np.float64)
        if gradient.shape != (self.size,):
            raise ValueError(f"expected a gradient of shape ({self.size},), got {gradient.shape}")
        if not np.isfinite(gradient).all():
            raise ValueError("expected a finite gradient, got NaN or infinite elements")
        self.steps += 1
        return self._step(gradient)

    def _step(self, gradient: Vector) -> Vector:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Copies of everything that the next step depends on."""
        return {"steps": self.steps} | {slot: getattr(self, slot).copy() for slot in self.slots}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state()` returned."""
        self.steps = int(state["steps"])
        for slot in self.slots:
            getattr(self, slot)[:] = state[slot]


class ClipUp(Optimizer):
    """ClipUp (Toklu, Liskowski, Srivastava 2020, arXiv 2008.02387, Algorithm 1).

    velocity <- momentum * velocity + stepsize * gradient / |gradient|, its length clipped to
    `max_speed`; the step is the velocity. A zero gradient leaves the momentum alone.

    Args:
        size: number of parameters.
        stepsize: length that one gradient adds to the velocity; default max_speed / 2.
        momentum: share of the velocity that is kept, in [0, 1).
        max_speed: largest length of a step.

    Raises:
        ValueError: an argument is out of range.
    """

    slots = ("velocity",)
    velocity: Vector

    def __init__(
        self, size: int, stepsize: float | None = None, *, momentum: float = 0.9, max_speed: float = 0.15
    ) -> None:
        self.max_speed = check_positive("max_speed", max_speed)
        super().__init__(size, self.max_speed / 2 if stepsize is None else stepsize)
        self.momentum = check_fraction("momentum", momentum)

    def _step(self, gradient: Vector) -> Vector:
        self.velocity *= self.momentum
        largest = np.abs(gradient).max(initial=0.0)
        if largest > 0:
            gradient = gradient / largest  # so that squares of tiny or huge elements stay in range
            self.velocity += self.stepsize / _length(gradient) * gradient
        speed = _length(self.velocity)
        if speed > self.max_speed:
            self.velocity *= self.max_speed / speed
        return self.velocity.copy()


class Adam(Optimizer):
    """Adam (Kingma, Ba 2015, arXiv 1412.6980, Algorithm 1), ascending.

    Args:
        size: number of parameters.
        stepsize: alpha of the paper, the length of a step of one parameter, about.
        beta1: decay of the mean of gradients, in [0, 1).
        beta2: decay of the mean of squared gradients, in [0, 1).
        epsilon: added to the root of that mean.

    Raises:
        ValueError: an argument is out of range.
    """

    slots = ("m", "v")
    m: Vector
    v: Vector

    def __init__(
        self,
        size: int,
        stepsize: float = 0.01,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(size, stepsize)
        self.beta1 = check_fraction("beta1", beta1)
        self.beta2 = check_fraction("beta2", beta2)
        self.epsilon = check_positive("epsilon", epsilon)

    def _step(self, gradient: Vector) -> Vector:
        gradient = np.clip(gradient, -1e150, 1e150)  # so that its square stays in range
        self.m += (1 - self.beta1) * (gradient - self.m)
        self.v += (1 - self.beta2) * (gradient**2 - self.v)
        m_hat = self.m / (1 - self.beta1**self.steps)
        v_hat = self.v / (1 - self.beta2**self.steps)
        return self.stepsize * m_hat / (np.sqrt(v_hat) + self.epsilon)


class SGD(Optimizer):
    """Gradient ascent with momentum (Polyak 1964): velocity <- momentum * velocity + stepsize * gradient.

    Args:
        size: number of parameters.
        stepsize: factor of the gradient.
        momentum: share of the velocity that is kept, in [0, 1).

    Raises:
        ValueError: an argument is out of range.
    """

    slots = ("velocity",)
    velocity: Vector

    def __init__(self, size: int, stepsize: float = 0.01, *, momentum: float = 0.0) -> None:
        super().__init__(size, stepsize)
        self.momentum = check_fraction("momentum", momentum)

    def _step(self, gradient: Vector) -> Vector:
        self.velocity *= self.momentum
        self.velocity += self.stepsize * gradient
        return self.velocity.copy()


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"clipup": ClipUp, "adam": Adam, "sgd": SGD}


def list_arguments(name: str) -> list[str]:
    """What the optimizer of this name takes beside the size, sorted."""
    return sorted(set(inspect.signature(OPTIMIZERS[name]).parameters) - {"size"})


def make_optimizer(name: str, size: int, stepsize: float | None, config: Mapping[str, Any]) -> Optimizer:
    """An optimizer by name; raises ValueError for an unknown name or entry of `config`."""
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {name!r}")
    takes = list_arguments(name)
    for entry in config:
        if entry not in takes:
            raise ValueError(f"optimizer_config: {name} has no {entry!r}; expected some of {', '.join(takes)}")
    keywords = dict(config) if stepsize is None else {"stepsize": stepsize, **config}
    return OPTIMIZERS[name](size, **keywords)


def _length(vector: Vector) -> float:
    # Not BLAS: numpy's pairwise sum has the same bits wherever the array lies and however many threads.
    return float(np.sqrt(np.sum(vector * vector)))

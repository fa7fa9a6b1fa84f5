"""A torch.nn.Module as a network of one's own; the only place in this room that imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class TorchNetwork:
    """See `own.Network`. Parameters are in the order of torch.nn.utils.parameters_to_vector(module.parameters()).

    The module is evaluated as after `eval()`, without gradients. A reset sets its buffers to what they were when it was
    made, and calls its own `reset()`, if it has one.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module.eval()
        self._parameters = list(module.parameters())
        self.num_parameters = sum(each.numel() for each in self._parameters)
        self._buffers = [
            (part, name, None if value is None else value.clone())
            for part in module.modules()
            for name, value in part._buffers.items()
        ]

    def load(self, parameters: NDArray[np.float32]) -> None:
        """Take a parameter vector."""
        vector, start = torch.from_numpy(parameters), 0
        with torch.no_grad():
            for each in self._parameters:
                end = start + each.numel()
                each.copy_(vector[start:end].view_as(each))
                start = end

    def reset(self) -> None:
        """An episode begins."""
        for part, name, value in self._buffers:
            part._buffers[name] = None if value is None else value.clone()
        own: Any = getattr(self.module, "reset", None)
        if callable(own):
            own()

    def act(self, observation: NDArray[np.float32]) -> Any:
        """What the module makes of an observation."""
        with torch.no_grad():
            output = self.module(torch.from_numpy(observation))
        return output.numpy() if isinstance(output, torch.Tensor) else output


def limit_threads() -> None:
    """Evaluate on one thread: how a product is shared among threads changes its last bits."""
    torch.set_num_threads(1)

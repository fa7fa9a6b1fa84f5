"""Two functions of numpy without the Python that is wrapped around them: the same bits, in half the time.

numpy has no public name for them. Where a later numpy has moved them, its public ones take their place.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np


def _of_core(module: str, name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    for core in ("numpy._core", "numpy.core"):  # since 1.26, and before
        try:
            return getattr(importlib.import_module(f"{core}.{module}"), name)
        except (ImportError, AttributeError):
            continue
    return otherwise


clip = _of_core("umath", "clip", np.clip)
"""clip(x, low, high, out=None): np.clip, where the bounds are arrays of x's type."""

einsum = _of_core("multiarray", "c_einsum", np.einsum)
"""einsum(subscripts, *operands): np.einsum without the search for a quicker order."""

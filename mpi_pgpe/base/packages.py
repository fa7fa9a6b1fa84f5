"""What installs packages that more than one room names."""

from pathlib import Path

INSTALL_TORCH = "install its CPU build: pip install torch --index-url https://download.pytorch.org/whl/cpu"
"""PyPI's own brings gigabytes of CUDA libraries on x86-64, which nothing here uses."""


def name_script(script: str) -> str:
    """How a file of this repository is named in a message: where the package was installed without it, it says so.

    Args:
        script: its path in the repository.
    """
    beside = Path(__file__).parents[2]
    # Where the package is installed, another one's bin/ may lie beside it.
    in_checkout = (beside / "setup.py").exists() and (beside / script).exists()
    return script if in_checkout else f"{script} of a clone of mpi_pgpe's repository"

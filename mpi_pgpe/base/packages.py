"""What installs packages that more than one room names."""

INSTALL_TORCH = "install its CPU build: pip install torch --index-url https://download.pytorch.org/whl/cpu"
"""PyPI's own brings gigabytes of CUDA libraries on x86-64, which nothing here uses."""

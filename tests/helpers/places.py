"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

HELPERS = Path(__file__).parent
"""What tests import; on the path of programs that they start, their environments are found there."""

TESTS = HELPERS.parent
DATA = TESTS / "data"
ROOT = TESTS.parent


def python_path(*folders: Path) -> str:
    """PYTHONPATH for a program that a test starts: these folders, this checkout, and what it is already.

    The checkout is before what is installed, which may be another one.
    """
    path = [*map(str, folders), str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(filter(None, path)))

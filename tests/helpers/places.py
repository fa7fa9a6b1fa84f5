"""Where things are."""

from __future__ import annotations

from pathlib import Path

HELPERS = Path(__file__).parent
"""What tests import; on the path of programs that they start, their environments are found there."""

TESTS = HELPERS.parent
DATA = TESTS / "data"
ROOT = TESTS.parent

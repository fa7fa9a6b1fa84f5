"""The same bits on 1, 2, 3, 5 and 16 ranks, whoever is slow and whether or not rank 0 evaluates."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from places import HELPERS, python_path
from programs import run_program

pytestmark = [pytest.mark.launches, pytest.mark.slow]


def results(what: str, ranks: int) -> list[tuple[str, Any]]:
    environment = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    program = (sys.executable, HELPERS / "one_result.py", what)
    run = run_program(*program, ranks=ranks, timeout=900, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("what", ["kinds", "families"])
def test_ranks_do_not_change_a_bit(what: str) -> None:
    alone: dict[str, Any] = {}
    for name, result in results(what, 1):
        assert alone.setdefault(name, result) == result, f"{name} differs with slow or idle ranks, on one rank"
    # The runs are worth comparing: they differ from generation to generation, and the kinds among each other.
    assert all(len({state for state, *_ in result}) == len(result) for result in alone.values())
    assert what == "families" or len({json.dumps(result) for result in alone.values()}) == len(alone)
    for ranks in (2, 3, 5, 16):
        for name, result in results(what, ranks):
            assert result == alone[name], f"{name} differs on {ranks} ranks"

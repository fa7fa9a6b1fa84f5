"""Training in a notebook: a real Jupyter kernel, interrupted as its users do it."""

from __future__ import annotations

import os
import queue
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import HELPERS, python_path

jupyter = pytest.importorskip("jupyter_client", reason="needs ipykernel, of the extra test")
pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra test")

pytestmark = [pytest.mark.launches, pytest.mark.slow]

TRAIN = """
import mpi_pgpe
settings = dict(env="odd_envs:Slow", seed=3, niters=6, popsize=4, popsize_max=None, num_interactions=None,
                num_hidden=0, re_eval_interval=6, re_eval_num_episodes=1, checkpoint_seconds=0, results="results")
"""


class Notebook:
    """A kernel, and the cells that it is given."""

    def __init__(self, folder: Path) -> None:
        path = python_path(HELPERS)
        environ = os.environ | {"PYTHONPATH": path, "SECONDS_OF_A_STEP": "0.005", "IPYTHONDIR": str(folder)}
        self.manager, self.client = jupyter.manager.start_new_kernel(cwd=str(folder), env=environ)

    def run(self, code: str, interrupt_at: str | None = None) -> tuple[str, str | None]:
        """(what a cell prints, the name of its error or None); it is interrupted when it has printed something."""
        sent, printed = self.client.execute(code), ""
        while True:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=120)
            except queue.Empty:
                pytest.fail(f"the cell does not end; it printed {printed!r}")
            if message["parent_header"].get("msg_id") != sent:
                continue
            content = message["content"]
            printed += content.get("text", "")
            if interrupt_at is not None and interrupt_at in printed:
                self.manager.interrupt_kernel()
                interrupt_at = None
            if content.get("execution_state") == "idle":
                break
        while (reply := self.client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != sent:
            pass
        return printed, reply["content"].get("ename")


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    found = Notebook(tmp_path)
    yield found
    found.client.stop_channels()
    found.manager.shutdown_kernel(now=True)


def test_an_interrupted_cell_leaves_a_state_that_can_be_used(notebook: Notebook, tmp_path: Path) -> None:
    printed, error = notebook.run(f"{TRAIN}\nresult = mpi_pgpe.train_agent(**settings)", "generation=2 ")
    assert error == "Interrupted", printed
    assert "state_digest=" in printed
    printed, error = notebook.run(
        "import sys, numpy as np; stopped = sys.last_value.result\n"
        "stopped.agent(np.zeros(stopped.agent.shape.observation_size))\n"
        "print(stopped.complete, stopped.folder)"
    )
    assert (error, printed) == (None, f"False {tmp_path}/results/1\n")
    printed, error = notebook.run("again = mpi_pgpe.train_agent(**settings, resume=stopped.folder)")
    assert error is None, printed
    assert re.search(r"^going on from results/1/checkpoint", printed, re.MULTILINE), printed
    printed, error = notebook.run(
        "whole = mpi_pgpe.train_agent(**settings | {'results': None}, verbose=False)\n"
        "print(again.state_digest == whole.state_digest, again.history['generation'].tolist() == list(range(1, 7)))"
    )
    assert (error, printed) == (None, "True True\n")

"""The refusals that the FAQ quotes are made by the program, word for word."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from agents_to_save import make_agent
from places import DATA, ROOT, python_path
from programs import run_program

from mpi_pgpe.agents import write_agent

pytestmark = pytest.mark.launches

ENTRIES = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs/faq.md").read_text(), re.MULTILINE | re.DOTALL)
QUOTED = [" ".join(quoted.split()) for entry in ENTRIES for quoted in re.findall(r"`([^`]+)`", entry) if " " in quoted]
OF_OTHERS = {"unsupported PMI version PMIx", "There are not enough slots available"}
"""Messages of MPI libraries and launchers."""
OF_MPI = {"no MPI library can be loaded", "this mpirun is Open MPI's, and the MPI library here is MPICH"}
"""For which there must be no MPI library or another one; see tests/parallel/test_mpi_libraries.py."""

LANDER = str(DATA / "pgpelib_lunarlander.pickle")
REFUSALS = {
    "expected 4 ranks, as the launcher or Slurm says, but": ["train", "with", "fast"],
    "unknown configuration entry 'env_nam'": ["train", "with", "env_nam=x"],
    "niters=5: expected one of the commands": ["train", "niters=5"],
    "popsize: expected an even number": ["train", "with", "popsize=7"],
    "popsize_max: expected at least popsize": ["train", "with", "popsize=100", "popsize_max=10"],
    "policy: expected mlp, rnn, gru, lstm, or": ["train", "with", "fast", "policy=GRU"],
    "wrappers: expected a flat list of names": ["train", "with", "fast", "wrappers=ClipAction"],
    "no environment 'Humanoid-v9'": ["train", "with", "env_name=Humanoid-v9"],
    "needs mujoco-py, but it is not installed": ["train", "with", "env_name=Humanoid-v2"],
    "module 'pendulums' cannot be imported": ["train", "with", "env_name=pendulums:Balance"],
    "results: expected a folder of recorded runs": ["runs"],
    "the MongoDB at 127.0.0.1:1/runs cannot be used": ["train", "-m", "127.0.0.1:1:runs", "with", "fast"],
    "the agent's environment is pendulums:Balance, which is code": ["enjoy", "agent.pickle"],
    "--render needs a display": ["enjoy", LANDER, "--render"],
}
"""The command that is refused, by the beginning of the message."""


def test_every_quotation_is_tested() -> None:
    known = [quoted for quoted in QUOTED if any(quoted.startswith(beginning) for beginning in REFUSALS)]
    assert len(known) == len(REFUSALS)
    assert {quoted for quoted in QUOTED if quoted not in known} == OF_OTHERS | OF_MPI


@pytest.mark.slow
@pytest.mark.parametrize("beginning", REFUSALS)
def test_a_quoted_refusal_is_what_the_program_says(tmp_path: Path, beginning: str) -> None:
    if "mujoco-py" in beginning and importlib.util.find_spec("mujoco_py"):
        pytest.skip("mujoco-py is installed")
    (quoted,) = (quoted for quoted in QUOTED if quoted.startswith(beginning))
    agent = make_agent()
    write_agent(tmp_path / "agent.pickle", replace(agent, metadata={"env_name": "pendulums:Balance"}))
    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"} | {"PYTHONPATH": python_path()}
    if "4 ranks" in beginning:
        environ |= {"MV2_COMM_WORLD_RANK": "0", "MV2_COMM_WORLD_SIZE": "4"}
    command, *arguments = REFUSALS[beginning]
    done = run_program("-m", f"mpi_pgpe.{command}", *arguments, cwd=tmp_path, env=environ)
    assert (done.returncode > 0, done.stdout, done.stderr.count("\n")) == (True, "", 1)
    assert quoted.removesuffix(" ...") in done.stderr

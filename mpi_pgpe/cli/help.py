"""The help of the training command: what is used most comes first, sacred's own usage after it."""

from __future__ import annotations

import os
import re

from sacred import Experiment

from mpi_pgpe.cli.configs import NAMED

_COMMANDS = (
    ("with fast", "train CartPole in a few seconds"),
    ("-F results with lunarlander seed=1", "the same for a harder task, recorded in results/1"),
    ("print_config with lunarlander", "show every setting, with what it does"),
    ("-F results with walker2d popsize=400 my.json", "a prepared configuration, with settings of your own"),
    ("-F results with walker2d resume=auto", "go on with a run that was stopped"),
)
_PROGRAM = "python -m mpi_pgpe.train"


def format_help(experiment: Experiment) -> str:
    """The text."""
    width = max(len(arguments) for arguments, _ in _COMMANDS)
    lines = ["Train an agent; `mpirun -n N` before the command trains on N cores.", "", "Used most:"]
    lines += [f"  {_PROGRAM} {arguments.ljust(width)}  {what}" for arguments, what in _COMMANDS]
    lines += ["", "Prepared configurations (`with NAME`):"]
    width = max(map(len, NAMED))
    lines += [f"  {name.ljust(width)}  {configuration.description}" for name, configuration in NAMED.items()]
    lines += ["", "All settings, with defaults and what they do: print_config", "", ""]
    usage = experiment.get_usage(os.path.join(str(experiment.base_dir), _PROGRAM))[1]
    usage = usage.replace(f"'{_PROGRAM}'", _PROGRAM)  # quoted, as a name with spaces
    return "\n".join(lines) + re.sub(r"\n{3,}", "\n\n", usage)

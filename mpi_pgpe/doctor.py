"""Whether an environment can be trusted: `python -m mpi_pgpe.doctor --env ID`.

Plays the same episodes in fresh and in used environments and says where they differ. Exit code 0 if
they never do, 1 if they do, 2 if there is no such environment.
"""

from __future__ import annotations

import mpi_pgpe.one_thread  # noqa: F401  (before numpy)

# isort: split
import argparse
import ast
import sys

from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.leaks import measure


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mpi_pgpe.doctor", description=__doc__)
    parser.add_argument("--env", required=True, metavar="ID", help="as env_name in training")
    parser.add_argument("--env-config", default="{}", metavar="DICT", help="as env_config, e.g. \"{'gravity': -5}\"")
    options = parser.parse_args(arguments)
    try:
        config = ast.literal_eval(options.env_config)
        leaks = 0
        for situation in measure(options.env, config):
            print(situation, flush=True)
            leaks += situation.different
        if not leaks:
            print(f"{options.env}: an episode depends on its policy and its seed alone")
            return 0
        anew = sum(situation.different for situation in measure(options.env, config, reuse=False))
    except (UnknownEnvironment, UnsupportedEnvironment, ValueError, SyntaxError) as error:
        print(error, file=sys.stderr)
        return 2
    cure = (
        "even when it is made anew for every episode; its seed does not determine an episode"
        if anew
        else "unless it is made anew for every episode: train with env_reuse=False"
    )
    print(f"{options.env}: an episode depends on what was played before, {cure}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

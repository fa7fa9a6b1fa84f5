"""Wrappers that are named in a setting: those of gym and gymnasium by their names, a user's own as `module:name`.

A setting is a flat list, the innermost wrapper first; a dictionary behind a name holds the arguments of that wrapper:

    ["ClipReward", {"min_reward": -1.0}, "FrameStackObservation", {"stack_size": 4}]
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mpi_pgpe.base.errors import UserError, describe_error
from mpi_pgpe.envs import registry
from mpi_pgpe.envs.given import SCRIPT, find_given
from mpi_pgpe.envs.installing import find_install_command
from mpi_pgpe.envs.interface import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.layers import takes_seed

_STATISTICS = "keeps statistics from one episode to the next, which would differ from rank to rank; leave it out: "
_DRAWS = "draws in every episode; leave it out: enjoy shows episodes (--render) and films them (--video)"
_RESETS = "resets where an episode ends, which a training does itself; leave it out"
_REFUSED = {
    "NormalizeObservation": f"{_STATISTICS}obs_norm=True normalizes, the same on all ranks",
    "NormalizeReward": f"{_STATISTICS}solutions are ranked, so the scale of rewards changes nothing",
    "HumanRendering": _DRAWS,
    "RecordVideo": _DRAWS,
    "RenderCollection": _DRAWS,
    "Autoreset": _RESETS,
    "AutoResetWrapper": _RESETS,
    "StepAPICompatibility": "changes what step returns; leave it out: both ways of gym are understood",
}
"""Wrappers of gym and gymnasium that a setting may not name, and why."""


def pairs(wrappers: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, arguments) of each in a checked list, the innermost first."""
    for place, item in enumerate(wrappers):
        if isinstance(item, str):
            after = wrappers[place + 1] if place + 1 < len(wrappers) else None
            yield item, dict(after) if isinstance(after, Mapping) else {}


def check_wrappers(env_name: str, wrappers: Sequence[Any]) -> None:
    """Refuse wrappers that cannot be had for an environment; makes neither it nor them.

    Raises:
        UnknownEnvironment: one is not known, or has to be left out; or nothing serves the environment's name.
    """
    library = registry.resolve(env_name).library if wrappers else None
    for name, _ in pairs(wrappers):
        if ":" in name:
            _find_own(name)
        else:
            _find_in(name, [library] if library else ["gym", "gymnasium"])


def wrap(env_name: str, env: Any, wrappers: Sequence[Any]) -> Any:
    """`env` in the wrappers.

    Raises:
        UnknownEnvironment: one is not known, has to be left out, or something that it needs is not installed.
        UnsupportedEnvironment: one refuses the environment or its arguments.
    """
    for name, arguments in pairs(wrappers):
        if ":" in name:
            make = _find_own(name)
        else:
            library = _find_library(env_name, name, env)
            make = _find_in(name, [library])
            if library == "gym" and not takes_seed(env):  # of the API before 0.26, which gym's wrappers do not know
                mode = getattr(env, "render_mode", None)
                env = importlib.import_module("gym.wrappers.compatibility").EnvCompatibility(env, mode)
        try:
            env = make(env, **arguments)
        except ImportError as error:
            raise UnknownEnvironment(
                f"wrapper {name!r} cannot be made: {error}{find_install_command(error)}"
            ) from error
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # whatever a wrapper may raise
            raise UnsupportedEnvironment(
                f"environment {env_name!r} cannot be wrapped in {name} with the arguments {arguments}: "
                f"{describe_error(error)}"
            ) from error
        if not hasattr(env, "step"):
            raise UnsupportedEnvironment(f"wrapper {name!r}: expected an environment from it, got {env!r:.100}")
        _refuse(name, type(env))
    return env


def _refuse(name: str, kind: Any) -> None:
    """Refuse a wrapper that is, or is built on, one of those that have to be left out."""
    for cls in inspect.getmro(kind) if inspect.isclass(kind) else ():
        if cls.__module__.startswith(("gym.", "gymnasium.")) and cls.__name__ in _REFUSED:
            raise UnknownEnvironment(f"wrapper {name!r} {_REFUSED[cls.__name__]}")


def _find_own(name: str) -> Callable[..., Any]:
    """What stands for a `module:name`."""
    made = find_given(name)
    if made is None:
        module_name, _, rest = name.rpartition(":")
        if module_name == SCRIPT:
            raise UnknownEnvironment(
                f"wrapper {name!r} stood in the script or notebook that trained with it. Give it to train_agent again, "
                "or put it in a module of its own and name it module:name"
            )
        made = getattr(registry.load_module(f"wrapper {name!r}", "`module:name`", module_name), rest, None)
        if not callable(made):
            raise UnknownEnvironment(f"wrapper {name!r}: module {module_name!r} has no class or function {rest!r}")
    _refuse(name, made)
    return made


def _find_in(name: str, libraries: Sequence[str]) -> Callable[..., Any]:
    """The wrapper of this name in the first of the libraries that has one."""
    known: list[str] = []
    for library in libraries:
        try:
            base = registry.load(library).Wrapper
        except UnknownEnvironment:
            if len(libraries) == 1:
                raise
            continue
        module = importlib.import_module(f"{library}.wrappers")
        here = [each for each, value in vars(module).items() if inspect.isclass(value) and issubclass(value, base)]
        if name in here:
            found: Callable[..., Any] = getattr(module, name)
            _refuse(name, found)
            return found
        known += here
    known = sorted(set(known) - set(_REFUSED))
    near = [each for each in known if each.startswith(name) or name.startswith(each)]
    near = near or difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UnknownEnvironment(
        f"wrapper {name!r}: expected one of {' or '.join(f'{library}.wrappers' for library in libraries)}, or "
        f"module:name for one of your own{hint}"
    )


def _find_library(env_name: str, name: str, env: Any) -> str:
    """The library whose wrappers an environment takes; gym for one that is like its environments before 0.26."""
    for library in ("gymnasium", "gym"):
        module = sys.modules.get(library)
        if module is not None and isinstance(env, module.Env):
            return library
    if not takes_seed(env):
        return "gym"
    raise UnsupportedEnvironment(
        f"environment {env_name!r}: expected one of gym or gymnasium for the wrapper {name}, got {type(env).__name__}, "
        "whose class is of neither; give it gym.Env or gymnasium.Env as a base"
    )

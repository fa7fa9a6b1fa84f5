"""Which library serves the name of an environment, and what has to be installed for it."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.base.global_generators import seed_while_importing
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.envs import registration
from mpi_pgpe.envs.given import SCRIPT, find_given
from mpi_pgpe.envs.installing import INSTALL, find_install_command, how_to_mend
from mpi_pgpe.envs.interface import UnknownEnvironment
from mpi_pgpe.envs.mujoco import mujoco_py_setup
from mpi_pgpe.envs.rendering import KNOWN, defer_rendering
from mpi_pgpe.envs.verified_versions import find_distribution

_DISTRIBUTIONS = {"mujoco_py": "mujoco-py"}  # of modules that are packaged under another name


@dataclass(frozen=True)
class Served:
    """What serves a name: the class or function `creator`, or else `library` under the name `id`.

    `folder` is the one that its module changed to when it was imported, if it did.
    """

    library: str | None
    id: str
    creator: Callable[..., Any] | None = None
    folder: str | None = None


@functools.cache
def load(library: str) -> Any:
    """Import gym or gymnasium, with the environments that this package adds to it.

    Raises:
        UnknownEnvironment: it is not installed, or cannot be imported.
    """
    try:
        with contextlib.redirect_stderr(io.StringIO()), defer_rendering():  # gym's notice of retirement, once per rank
            module = importlib.import_module(library)
            if library == "gym":
                importlib.import_module("gym.wrappers.compatibility")
    except ImportError as error:
        raise UnknownEnvironment(f"{library} cannot be imported ({error}){how_to_mend(library, error)}") from None
    module.logger.min_level = module.logger.ERROR
    if library == "gym":
        registration.register()
    else:
        registration.register_with_gymnasium()
    return module


@contextlib.contextmanager
def path_in_order() -> Iterator[None]:
    """Meanwhile, modules may add to Python's path, but not put anything before what was there.

    pybullet_envs puts its parent folder first, so that what is installed beside it would hide the user's modules. It
    imports its robots by its own folder, which it adds but once; that is added again where somebody has set the path
    back since.
    """
    before = list(sys.path)
    if (pybullet_envs := sys.modules.get("pybullet_envs")) is not None:
        before += [folder for folder in pybullet_envs.__path__ if folder not in before]
        sys.path[:] = before
    try:
        yield
    finally:
        sys.path[:] = before + [entry for entry in sys.path if entry not in before]


def registry(library: str) -> Mapping[str, Any]:
    """Specifications of a library's environments by their ids; an id names none if it is not installed."""
    if importlib.util.find_spec(library) is None:
        return {}
    return load(library).envs.registration.registry


def resolve(name: str) -> Served:
    """Find what serves a name; makes no environment.

    Args:
        name: an id, looked up in gym and then in gymnasium; `gym/ID` or `gymnasium/ID`; `module:ID`,
            where importing the module registers the id with either of them; or `module:Class`.

    Raises:
        UnknownEnvironment: nothing does, or what does is not installed.
    """
    if not isinstance(name, str) or not name:
        raise UnknownEnvironment(f"expected the name of an environment, got {name!r}")
    if (creator := find_given(name)) is not None:
        return Served(None, name, creator)
    if name.startswith(f"{SCRIPT}:"):
        raise UnknownEnvironment(
            f"environment {name!r} stood in the script or notebook that trained in it. Give it to train_agent again, "
            "or put it in a module of its own and name it module:name"
        )
    libraries, rest = ["gym", "gymnasium"], name
    for library in libraries:
        if name.startswith(f"{library}/"):
            libraries, rest = [library], name.removeprefix(f"{library}/")
            load(library)  # if it is not installed, that is what to say
            break
    module_name, _, rest = rest.rpartition(":")
    if module_name:
        module = load_module(f"environment {name!r}", "`module:ID` or `module:Class`", module_name)
        creator = getattr(module, rest, None)
        if callable(creator):
            return Served(None, rest, creator, _folders.get(module_name))
    refusals = []
    for library in libraries:
        spec = registry(library).get(rest)
        if spec is None:
            continue
        refusal = _what_is_missing(library, rest, str(spec.entry_point))
        if refusal is None:
            return Served(library, rest, folder=_folders.get(module_name))
        refusals.append(f"environment {name!r} {refusal}")
    raise UnknownEnvironment(refusals[0] if refusals else _not_found(libraries, module_name, rest))


_folders: dict[str, str] = {}  # that modules changed to when they were imported


def load_module(what: str, expected: str, module_name: str) -> Any:
    """Import the module of a user's environment or wrapper.

    Args:
        what, expected: is imported, and in which form it may be named; for the message of a refusal.

    Raises:
        UnknownEnvironment: it cannot be imported.
    """
    for library in ("gym", "gymnasium"):  # first and quietly, in case that the module imports them
        registry(library)
    try:
        # A module of the user's own may use at once what placeholders would stand for.
        placeholders = defer_rendering() if module_name.partition(".")[0] in KNOWN else contextlib.nullcontext()
        with Inside() as inside, placeholders, seed_while_importing():
            module = importlib.import_module(module_name)
        if inside.folder is not None:
            _folders[module_name] = inside.folder
        return module
    except (Exception, SystemExit) as error:  # what a module raises when it is imported may be anything
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if module_name.startswith(".") or (missing and f"{module_name}.".startswith(f"{missing}.")):
            install = INSTALL.get(module_name)
            do = f"; install it with: {install}" if install else "; is it on PYTHONPATH?"
            raise UnknownEnvironment(
                f"{what}: expected {expected}, but module {module_name!r} cannot be imported ({error}){do}"
            ) from None
        install = find_install_command(error) if isinstance(error, ImportError) else ""
        said = describe_error(error)
        raise UnknownEnvironment(
            f"{what}: module {module_name!r} raised when it was imported: {said}{install}"
        ) from error


def _not_found(libraries: list[str], module_name: str, rest: str) -> str:
    if "BulletEnv" in rest and importlib.util.find_spec("pybullet_envs") is None:
        return f"environment {rest!r} needs pybullet, which is not installed; install it with: {INSTALL['pybullet']}"
    known = sorted({id for library in libraries for id in registry(library)})
    near = difflib.get_close_matches(rest, known, n=3, cutoff=0.6) or [
        id for id in known if rest and rest.lower() in id.lower()
    ]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else ""
    if not near and not module_name:
        own = f", such as {':'.join(rest.rsplit('.', 1))}" if "." in rest.strip(".") else ""
        hint = f"; what a module registers is module:ID, a class or function of your own module:name{own}"
    where = f"module {module_name!r} has no class and registered no environment" if module_name else "no environment"
    searched = [library for library in libraries if importlib.util.find_spec(library) is not None]
    missing = [library for library in libraries if library not in searched]
    if missing and searched and not module_name:
        hint += f"; {missing[0]}, which may have it, is not installed; install it with: {_install(missing[0], rest)}"
    return f"{where} {rest!r} in {' or '.join(searched) or 'gym or gymnasium, neither of which is installed'}{hint}"


def _install(library: str, id: str) -> str:
    """The command that installs a library and, where an id is one of a simulator's tasks, that."""
    simulator = next((name for name, pattern in _TASKS.items() if library == "gymnasium" and re.match(pattern, id)), "")
    command = INSTALL.get(simulator, INSTALL[library])
    return command if library in command else f"{INSTALL[library]} && {command}"


_TASKS = {
    "mujoco": r"(Humanoid(Standup)?|Ant|Walker2d|HalfCheetah|Hopper|Swimmer|Reacher|Pusher|Inverted\w*Pendulum)-v",
    "Box2D": r"(LunarLander(Continuous)?|BipedalWalker(Hardcore)?|CarRacing)-v",
}
"""Simulators of gymnasium, and how the ids of their tasks begin: without gymnasium nobody else can say."""


# Environments that a library registers without having their simulator: (library, what the entry point begins
# with, module that has to be there).
_SIMULATORS = [
    ("gym", r"gym\.envs\.mujoco(:|\.\w+_v3)", "mujoco_py"),
    ("gym", r"gym\.envs\.mujoco\.\w+_v4", "mujoco"),
    ("gymnasium", r"gymnasium\.envs\.mujoco", "mujoco"),
    ("gymnasium", r"gymnasium_robotics\.", "mujoco"),
    ("gymnasium", r"functools\.partial\(<function _register_dm_control", "mujoco"),  # by shimmy
    ("", r"mpi_pgpe\.envs\.mujoco\.v2", "mujoco"),
    ("", r"(gym|gymnasium)\.envs\.box2d", "Box2D"),
    ("", r"pybullet_envs|mpi_pgpe\.envs\.tiny_traj", "pybullet"),
]


def find_simulator(library: str, entry_point: str) -> str | None:
    """The module of the simulator that an entry point needs, if it is one of those known here."""
    for served_by, pattern, module in _SIMULATORS:
        if served_by in ("", library) and re.match(pattern, entry_point):
            return module
    return None


def find_simulator_of(served: Served) -> str | None:
    """The module of the simulator that an environment of a library needs, likewise."""
    if served.library is None:
        return None
    return find_simulator(served.library, str(registry(served.library)[served.id].entry_point))


def find_packages(name: str, refusal: str) -> frozenset[str]:
    """The libraries and simulators that an environment needs, or that are named where it was refused.

    Args:
        name: of the environment.
        refusal: what was said when it could not be made.
    """
    try:
        served = resolve(name)
    except UnknownEnvironment:
        needed = set()
    else:
        needed = {served.library or "", find_simulator_of(served) or ""}
        if served.library and served.id.startswith("mpi_pgpe/") and "mujoco" in needed:
            needed.add("gymnasium")  # for its models
    return frozenset(needed | set(re.findall(r"\w+", refusal)))


def is_of_known_library(served: Served) -> bool:
    """Whether the code behind a name is that of packages of `rendering.KNOWN`."""
    if served.library is None:
        module = str(getattr(served.creator, "__module__", ""))
    else:
        entry_point = registry(served.library)[served.id].entry_point
        module = entry_point if isinstance(entry_point, str) else str(getattr(entry_point, "__module__", ""))
    return re.split(r"[.:]", module)[0] in KNOWN


_BESIDE_MUJOCO = {"gymnasium_robotics": "gymnasium_robotics", "functools": "shimmy dm_control"}
"""Packages between gymnasium and mujoco, by what the entry points of their environments begin with."""
_MUJOCO_BESIDE = "3.3.7"  # which they were tried with


def find_packages_of(served: Served) -> list[str]:
    """The packages between gymnasium and the simulator, if they are of those known here."""
    if find_simulator_of(served) != "mujoco":
        return []
    assert served.library is not None
    first = re.split(r"[.:]", str(registry(served.library)[served.id].entry_point))[0]
    return _BESIDE_MUJOCO.get(first, "").split()


def explain_versions(served: Served) -> str | None:
    """Why an environment cannot be made, if that may be due to versions that do not fit each other, or None."""
    packages = find_packages_of(served)
    _, mujoco = find_distribution("mujoco") if packages else ("", _MUJOCO_BESIDE)
    if mujoco == _MUJOCO_BESIDE:
        return None
    here = " and ".join(f"{name} {version}" for name, version in map(find_distribution, packages))
    return f"{here} fit mujoco {_MUJOCO_BESIDE}, but here is {mujoco}; install it with: {INSTALL[packages[0]]}"


def _what_is_missing(library: str, id: str, entry_point: str) -> str | None:
    """What keeps an environment from being made, and what to do about it; None if nothing is known to."""
    if library == "gymnasium" and "_raise_mujoco_py_error" in entry_point:
        return f"is not in gymnasium, which begins at -v4; gym has it, by mujoco-py{_on_todays_mujoco(id)}"
    module = find_simulator(library, entry_point)
    if module == "mujoco_py":
        missing = mujoco_py_setup.what_is_missing()
        command = f"{mujoco_py_setup.INSTALL}{_on_todays_mujoco(id)}"
        return missing and f"needs mujoco-py, but {missing}; install it with: {command}"
    if module is not None and importlib.util.find_spec(module) is None:
        return f"needs {module}, which is not installed; install it with: {INSTALL[module]}"
    if module == "mujoco" and entry_point.startswith("mpi_pgpe") and importlib.util.find_spec("gymnasium") is None:
        return f"needs the models that come with gymnasium; install it with: {INSTALL['mujoco']}"
    if re.match(r"gym\.envs\.mujoco\.(walker2d|hopper|swimmer)_v4", entry_point) and _mujoco_version() > (2, 3, 3):
        return (
            "of gym 0.26 has a model that MuJoCo reads up to 2.3.3: choose gymnasium's "
            f"({INSTALL['mujoco']}), or pip install mujoco==2.3.3 imageio"
        )
    return None


def _on_todays_mujoco(id: str) -> str:
    """What to say of the package's own environment in place of one of mujoco-py's, if there is one."""
    task = id.rpartition("-")[0]
    return f" (the physics of v2 without mujoco-py: mpi_pgpe/{task}-v2)" if task in registration.MUJOCO_V2 else ""


def _mujoco_version() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version("mujoco"))[:3])


def find_origin(served: Served, env: Any) -> dict[str, str]:
    """The library and the simulator behind an environment, with their versions.

    For a user's own class: the libraries that it is built on, or may be, and the simulators that the process has
    loaded.
    """
    if served.library is None:
        built_on = {cls.__module__.partition(".")[0] for cls in type(env).__mro__}
        libraries = [m for m in ("gym", "gymnasium") if m in built_on] or ["gym", "gymnasium"]
        modules = [m for m in (*libraries, *dict.fromkeys(m for _, _, m in _SIMULATORS)) if m in sys.modules]
    else:
        needed = find_simulator_of(served)
        modules = [served.library, *find_packages_of(served), *([needed] if needed else [])]
    return dict(find_distribution(_DISTRIBUTIONS.get(m, m)) for m in modules)

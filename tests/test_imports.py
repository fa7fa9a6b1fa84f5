"""The rooms of the package: what each may import, of the others and of third parties, and that nothing goes round."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import mpi_pgpe

pytestmark = pytest.mark.serial

ROOT = Path(mpi_pgpe.__file__).parent
SIMULATORS = "gym gymnasium pybullet pybullet_envs pybullet_envs_gymnasium pybullet_utils mujoco mujoco_py Box2D"


class Room(NamedTuple):
    """What the modules of a room may import: rooms above it, third parties, and others in one file or folder each."""

    rooms: str
    libraries: str = "numpy"
    in_one_place: dict[str, str] = {}


ROOMS = {
    "base": Room(""),
    "search": Room("base"),
    "policies": Room("base", in_one_place={"torch": "own_torch"}),
    "envs": Room("policies base", f"numpy {SIMULATORS}"),
    "parallel": Room("base", in_one_place={"mpi4py": "world"}),
    "agents": Room("policies base", in_one_place={"torch": "in_torch"}),
    "training": Room("search policies envs parallel agents base"),
    "runs": Room("training agents base", "numpy sacred", dict.fromkeys(["pymongo", "bson", "gridfs"], "mongo")),
    "exports": Room(
        "runs training base",
        in_one_place={"tensorboard": "event_files", "mlflow": "mlflow_store", "wandb": "wandb_files"},
    ),
    "cli": Room(
        "runs training agents parallel envs policies search base",
        "numpy sacred",
        {"docopt": "command_line", "tqdm": "console", "yaml": "plain_yaml"}
        | dict.fromkeys(["imageio", "imageio_ffmpeg", "PIL"], "film"),
    ),
    "": Room(  # the files beside the rooms: the commands, and the Python API
        "cli exports runs training agents parallel envs policies search base", in_one_place={"matplotlib": "plot"}
    ),
}
COMMANDS = {"train", "enjoy", "plot", "compare", "doctor", "sync", "export"}
ROOMS_COMMANDS = {"agents.__main__", "runs.__main__"}
BESIDE = COMMANDS | {"__init__", "__main__", "from_python", "maximization", "restore"}


def as_imported(path: Path) -> ast.Module:
    """The module, without what it does as a program: that comes after all imports."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))]
    return tree


MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): as_imported(path) for path in ROOT.rglob("*.py")}
every_module = pytest.mark.parametrize("module", MODULES)


def imports(tree: ast.AST) -> set[str]:
    """Full names of all that a module imports, in functions too, and of modules it names to import_module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def own_modules(module: str) -> set[str]:
    """Those of the package's modules that a module imports, e.g. "envs.quiet" for mpi_pgpe.envs.quiet.text."""
    found = set()
    for name in imports(MODULES[module]):
        package, *parts = name.split(".")
        if package == "mpi_pgpe":
            while parts and ".".join(parts) not in MODULES and ".".join([*parts, "__init__"]) not in MODULES:
                parts.pop()
            place = ".".join(parts)
            found.add(place if place in MODULES else f"{place}.__init__".lstrip("."))
    return found


def libraries(module: str) -> set[str]:
    """The third parties that a module imports."""
    tops = {name.partition(".")[0] for name in imports(MODULES[module])}
    return tops - {"mpi_pgpe"} - sys.stdlib_module_names


def room(module: str) -> str:
    """The room that a module is in; "" for the files beside the rooms, and for the commands of two rooms."""
    top, _, rest = module.partition(".")
    if rest == "__main__":
        return ""
    return top if rest else ""


def test_every_module_has_its_room():
    assert {room(module) for module in MODULES} == set(ROOMS)
    assert {module for module in MODULES if not room(module)} == BESIDE | ROOMS_COMMANDS


@pytest.mark.parametrize(
    "path", [p for p in ROOT.rglob("*/__init__.py") if "__pycache__" not in p.parts], ids=lambda p: p.parent.name
)
def test_a_room_names_all_that_lives_there(path):
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    here = [p.stem for p in path.parent.glob("*.py")] + [f"{p.parent.name}/" for p in path.parent.glob("*/__init__.py")]
    assert [name for name in here if name != "__init__" and not re.search(rf"(?<![\w/]){name}(?!\w)", said)] == []


@pytest.mark.parametrize("name", [name for name in ROOMS if name])
def test_a_room_says_what_it_may_import(name):
    said = ast.get_docstring(MODULES[f"{name}.__init__"]) or ""
    rooms, third_parties = re.search(r"May import: (.*?); of third parties (.*)", said, re.DOTALL).groups()
    allowed = ROOMS[name]
    if rooms not in ("nothing else of this package", "all other rooms"):
        assert set(rooms.split(", ")) == set(allowed.rooms.split())
    else:
        assert set(allowed.rooms.split()) == (set(ROOMS) - {"", name} if rooms == "all other rooms" else set())
    for library in set(allowed.in_one_place) - {"bson", "gridfs", "imageio_ffmpeg", "PIL"}:
        assert library in third_parties


@every_module
def test_imports_come_from_the_rooms_above(module):
    here = room(module)
    for other in own_modules(module) - {"__init__"}:
        assert room(other) in [here, *ROOMS[here].rooms.split()], f"{module} imports {other}"


@every_module
def test_no_command_imports_another(module):
    assert not own_modules(module) & (COMMANDS | ROOMS_COMMANDS)


def test_no_imports_go_in_a_circle():
    graph = {module: own_modules(module) - {module} for module in MODULES if module != "__init__"}
    graph = {module: {other for other in others if other in graph} for module, others in graph.items()}
    while free := [module for module, others in graph.items() if not others]:  # imports none that is still left
        for module in free:
            del graph[module]
        graph = {module: others - set(free) for module, others in graph.items()}
    while ends := set(graph).difference(*graph.values()):  # that none of the others imports: they only lead to a circle
        graph = {module: others for module, others in graph.items() if module not in ends}
    assert not graph, f"imports go in a circle among {sorted(graph)}"


@every_module
def test_libraries_are_imported_in_their_rooms(module):
    here, inside = ROOMS[room(module)], module.removeprefix(f"{room(module)}.").partition(".")[0]
    for library in libraries(module) - set(here.libraries.split()):
        assert library in here.in_one_place, f"{module} imports {library}"
        assert here.in_one_place[library] == inside, (
            f"{module} imports {library}; only {here.in_one_place[library]} does"
        )


HEAVY = ["torch", "gym", "gymnasium", "pybullet", "Box2D", "sacred", "matplotlib"]
LOADED = "import sys; {}; print(*(n for n in {!r} if n in sys.modules))"


@pytest.mark.launches
@pytest.mark.parametrize(
    ("statement", "loads"),
    [
        ("import mpi_pgpe; assert 'numpy' not in sys.modules", ""),
        ("import mpi_pgpe.cli.quiet_start, mpi_pgpe.parallel.one_thread; assert 'numpy' not in sys.modules", ""),
        (f"import {', '.join(f'mpi_pgpe.{name}' for name in ROOMS if name)}", ""),
        ("from mpi_pgpe import PGPE, ClipUp, Adam, SGD; PGPE(solution_length=2, popsize=2).ask()", ""),
        ("import mpi_pgpe.train, mpi_pgpe.training.trainer, mpi_pgpe.cli.console, mpi_pgpe.cli.configs", ""),
        ("import mpi_pgpe.envs, mpi_pgpe.enjoy, mpi_pgpe.plot, mpi_pgpe.doctor, mpi_pgpe.restore", ""),
        ("import mpi_pgpe as m; m.agents.read_solution, m.envs.make, m.restore.to_numpy_policy", ""),
        ("import mpi_pgpe.agents.in_torch.module", "torch"),
        ("import mpi_pgpe.cli.experiment", "sacred"),
    ],
)
def test_importing_loads_no_heavy_library_but_the_one(launch, statement, loads):
    done = launch("-c", LOADED.format(statement, [*HEAVY, "mpi4py"]))
    assert (done.returncode, done.stdout.strip()) == (0, loads), done.stderr


FAST_PATHS = ["fast_bullet", "bullet_memory", "kuka", "mujoco.gymnasium_fast", "mujoco.mujoco_py_fast"]


@pytest.mark.launches
@pytest.mark.parametrize(
    ("name", "simulator", "loads"),
    [
        ("CartPole-v1", "numpy", []),
        ("gymnasium/Hopper-v5", "mujoco", ["mujoco.gymnasium_fast"]),
        ("HopperBulletEnv-v0", "pybullet", ["fast_bullet", "bullet_memory", "kuka"]),
    ],
)
def test_fast_paths_are_loaded_with_their_simulator_alone(launch, name, simulator, loads):
    pytest.importorskip(simulator)
    modules = [f"mpi_pgpe.envs.{each}" for each in FAST_PATHS]
    done = launch("-c", LOADED.format(f"from mpi_pgpe import envs; envs.make({name!r}, {{}})", modules))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"mpi_pgpe.envs.{each}" for each in loads]


def test_names_of_the_package():
    assert set(mpi_pgpe.__all__) <= set(dir(mpi_pgpe))
    for name in mpi_pgpe.__all__:
        assert getattr(mpi_pgpe, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mpi_pgpe.Nothing

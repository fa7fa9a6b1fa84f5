"""Imports point one way, and heavy libraries are imported in their one place only."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import mpi_pgpe

ROOT = Path(mpi_pgpe.__file__).parent

# A module imports from the layers above its own line only; `envs` and `records` have an order of their own.
LAYERS = [
    ["numpy_core"],
    [
        "__init__",
        "one_thread",
        "quiet_start",
        "checks",
        "clock",
        "noise",
        "ranking",
        "moments",
        "policies",
        "schedule",
        "safe_pickle",
        "tools",
    ],
    ["ulfm", "hosts", "watch", "interruption", "plain_data", "profile"],
    ["optimizers", "pgpelib_agents", "tasks"],
    ["pgpe"],
    ["settings", "agents", "envs"],
    ["agents_cli", "torch_policy", "rollout", "configs", "film", "checkpoint", "world", "records"],
    ["init_from", "reports", "restore", "runs"],
    ["farm", "numbered_episodes", "plot"],
    ["evaluator", "other_process"],
    ["team", "leaks"],
    ["trainer"],
    ["console", "resume", "saving"],
    ["options", "command_line"],
    ["experiment"],
    ["train", "compare", "sync"],
    ["enjoy", "doctor"],
]
PACKAGES = {
    "envs": [
        ["interface"],
        [
            "mends",
            "mujoco_masses",
            "mujoco_py_setup",
            "mujoco_task",
            "proved",
            "quiet",
            "registration",
            "rendering",
            "tiny_traj",
        ],
        ["v2_tasks"],
        ["fast_bullet", "fast_mujoco", "fast_mujoco_py", "in_gymnasium", "libraries", "mujoco_v2"],
        ["adapter"],
        ["kept", "survey"],
        ["__init__"],
    ],
    "records": [
        ["__init__", "tamed", "target", "files", "capture", "claims", "stored_files"],
        ["mirror"],
        ["earlier", "place"],
        ["delivery"],
        ["recorder"],
    ],
}

# Which module or package alone imports a library; sacred's observers are `records`.
HOME = {
    "sacred": "experiment command_line options records",
    "docopt": "command_line",
    "mpi4py": "farm",
    "torch": "torch_policy",
    "imageio": "film",
    "PIL": "film",
    "matplotlib": "plot",
    "tqdm": "console",
} | dict.fromkeys(
    ["gym", "gymnasium", "pybullet", "pybullet_envs", "pybullet_envs_gymnasium", "mujoco", "mujoco_py", "Box2D"], "envs"
)


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


def own_modules(names: set[str]) -> set[str]:
    """Those of the package's modules that the names stand for, e.g. "envs.quiet" for mpi_pgpe.envs.quiet.text."""
    found = set()
    for name in names:
        package, *parts = name.split(".")
        if package == "mpi_pgpe":
            while parts and ".".join(parts) not in MODULES and ".".join([*parts, "__init__"]) not in MODULES:
                parts.pop()
            found.add(".".join(parts) or "__init__")
    return found


def layer(layers: list[list[str]], name: str) -> int:
    found = [number for number, names in enumerate(layers) if name in names]
    assert len(found) == 1, f"put the module {name} into one of the layers of this test"
    return found[0]


@every_module
def test_imports_point_one_way(module):
    if module == "__init__":
        return  # gives names of the others, when they are first used
    top, _, rest = module.partition(".")
    for imported in own_modules(imports(MODULES[module])):
        other, _, inner = imported.partition(".")
        if top == other and top in PACKAGES:
            order = PACKAGES[top]
            assert layer(order, inner or "__init__") < layer(order, rest), f"{module} imports {imported}"
        elif other != "__init__":
            assert layer(LAYERS, other) < layer(LAYERS, top), f"{module} imports {imported}"


@every_module
def test_libraries_are_imported_in_their_one_place(module):
    for name in imports(MODULES[module]):
        home = HOME.get(name.partition(".")[0])
        assert home is None or module.partition(".")[0] in home.split(), f"{module} imports {name}; only {home} does"


@every_module
def test_every_module_has_its_layer(module):
    top, _, rest = module.partition(".")
    layer(LAYERS, top)
    if rest:
        layer(PACKAGES[top], rest)


def test_the_numerical_core_needs_numpy_alone():
    allowed = {"numpy", "mpi_pgpe", "__future__", *sys.stdlib_module_names}
    for module in LAYERS[0] + LAYERS[1] + LAYERS[2] + ["settings", "agents", "rollout"]:
        assert {name.partition(".")[0] for name in imports(MODULES[module])} <= allowed, module


HEAVY = ["torch", "gym", "gymnasium", "pybullet", "Box2D", "sacred", "matplotlib"]
LOADED = "import sys; {}; print(*(n for n in {!r} if n in sys.modules))"


@pytest.mark.launches
@pytest.mark.parametrize(
    ("statement", "loads"),
    [
        ("import mpi_pgpe; assert 'numpy' not in sys.modules", ""),
        ("from mpi_pgpe import PGPE, ClipUp, Adam, SGD; PGPE(solution_length=2, popsize=2).ask()", ""),
        ("import mpi_pgpe.train, mpi_pgpe.trainer, mpi_pgpe.console", ""),
        (
            "import mpi_pgpe.envs, mpi_pgpe.rollout, mpi_pgpe.configs, mpi_pgpe.enjoy, mpi_pgpe.plot, mpi_pgpe.restore",
            "",
        ),
        ("import mpi_pgpe.torch_policy", "torch"),
        ("import mpi_pgpe.experiment", "sacred"),
    ],
)
def test_importing_loads_no_heavy_library_but_the_one(launch, statement, loads):
    done = launch("-c", LOADED.format(statement, [*HEAVY, "mpi4py"]))
    assert (done.returncode, done.stdout.strip()) == (0, loads), done.stderr


def test_names_of_the_package():
    assert set(mpi_pgpe.__all__) <= set(dir(mpi_pgpe))
    for name in mpi_pgpe.__all__:
        assert getattr(mpi_pgpe, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mpi_pgpe.Nothing

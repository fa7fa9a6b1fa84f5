"""The scripts in bin/, with the environment that the tests run in: nothing is installed here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from families import needs_mujoco_py
from places import ROOT

from mpi_pgpe.envs.mujoco import mujoco_py_setup

pytestmark = pytest.mark.launches

SCRIPTS = sorted(p for p in (ROOT / "bin").iterdir() if p.suffix == ".sh" or "." not in p.name)


@pytest.fixture
def environ(tmp_path):
    """Variables that give the scripts this environment by way of links, with the stamp that all is installed."""
    venv = tmp_path / "venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith(".installed"):
            (venv / entry.name).symlink_to(entry)
    wanted = subprocess.run(
        "cat setup.py bin/constraints.txt | cksum", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    (venv / ".installed-all").write_text(wanted.stdout)
    return os.environ | {"VENV": str(venv), "NRANKS": "2"}


def plain(text):
    return re.sub(r"\x1b\[\d+m", "", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_well_formed(launch, script):
    assert launch("bash", "-n", script).returncode == 0
    if script.name[0] != "_":
        assert os.access(script, os.X_OK)


def test_scripts_call_functions_that_there_are():
    called = {
        name for script in SCRIPTS for name in re.findall(r"\b(?:mujoco_py_setup|m)\.(\w+)\(", script.read_text())
    }
    assert called == {"find_compiled", "what_is_missing"}
    assert all(callable(getattr(mujoco_py_setup, name)) for name in called)


@pytest.fixture
def no_mujoco_py(tmp_path):
    """Variables with which mujoco-py cannot be used, installed or not."""
    return {"MUJOCO_PY_MUJOCO_PATH": str(tmp_path / "nothing")}


def test_train_script_prints_its_configuration(launch, environ):
    for arguments in ([], ["with", "popsize=400"]):
        done = launch(ROOT / "bin/train_lunarlander.sh", "print_config", *arguments, env=environ)
        assert done.returncode == 0, done.stderr
        assert "installing" not in done.stdout
        assert plain(done.stdout).count("env_name = 'LunarLanderContinuous-v2'") == 1
        assert ("popsize = 400 " in plain(done.stdout)) == bool(arguments)


TASKS = [("humanoid", "Humanoid"), ("walker2d", "Walker2d")]


def train_v2(launch, environ, cwd, script):
    """A run of a script for the v2 environments; its environment, what it printed, and its settings."""
    updates = ["niters=1", "popsize=4", "popsize_max=4", "num_interactions=None", "max_episode_length=20", "seed=3"]
    command = [ROOT / "bin" / f"train_{script}.sh", "-F", "results", "with", *updates, "re_eval_num_episodes=1"]
    done = launch(*command, env=environ, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "seed 3, 2 ranks" in done.stdout
    assert "re-evaluated mean return" in done.stdout
    config = json.loads((cwd / "results/1/config.json").read_text())
    assert (config["decrease_rewards_by"], config["popsize"]) == ({"humanoid": 5, "walker2d": 1}[script], 4)
    return config["env_name"], done.stdout.splitlines()[0]


@needs_mujoco_py
@pytest.mark.parametrize(("script", "task"), TASKS)
def test_v2_scripts_train_with_mujoco_py_where_it_is_installed(launch, environ, tmp_path, script, task):
    assert train_v2(launch, environ, tmp_path, script) == (
        f"{task}-v2",
        f"physics: mujoco-py with MuJoCo 2.1 (gym's {task}-v2)",
    )


@pytest.mark.parametrize(("script", "task"), TASKS)
def test_v2_scripts_train_on_todays_mujoco_if_asked(launch, environ, tmp_path, script, task):
    assert train_v2(launch, environ | {"V2": "modern"}, tmp_path, script) == (
        f"mpi_pgpe/{task}-v2",
        f"physics: that of {task}-v2 on today's MuJoCo (mpi_pgpe/{task}-v2), as V2 says",
    )


def test_v2_script_without_mujoco_py(launch, environ, no_mujoco_py, tmp_path):
    env_name, physics = train_v2(launch, environ | no_mujoco_py, tmp_path, "walker2d")
    assert env_name == "mpi_pgpe/Walker2d-v2"
    assert physics.startswith(
        "physics: that of Walker2d-v2 on today's MuJoCo (mpi_pgpe/Walker2d-v2), because mujoco-py"
    )
    assert physics.endswith("bin/install_mujoco_py installs it")
    command = ROOT / "bin/train_walker2d.sh", "print_config"
    done = launch(*command, env=environ | no_mujoco_py | {"V2": "mujoco-py"})
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"V2=mujoco-py, but .+; bin/install_mujoco_py installs it\n", done.stderr)
    done = launch(*command, env=environ | {"V2": "v3"})
    assert (done.returncode, done.stderr) == (1, "V2: expected modern or mujoco-py, got v3\n")


def test_install_mujoco_py_says_what_is_missing_before_it_installs_anything(launch, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name not in ("apt-get", "patchelf") and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    environ = os.environ | {"PATH": str(programs), "VENV": str(tmp_path / "venv"), "PYTHON": sys.executable}
    done = launch(ROOT / "bin/install_mujoco_py", env=environ)
    assert (done.returncode, done.stdout) == (1, "")
    command = done.stderr.splitlines()[-1]
    assert command.startswith("  sudo apt-get install -y --no-install-recommends ")
    assert "patchelf" in command.split()
    assert not (tmp_path / "venv").exists()


def test_train_script_trains_on_the_ranks_that_are_asked_for(launch, environ, tmp_path):
    updates = ["seed=3", "niters=1", "popsize=4", "max_episode_length=20", "re_eval_num_episodes=1"]
    command = [ROOT / "bin" / "train_lunarlander.sh", "-F", "results", "with", *updates]
    done = launch(*command, env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed 3, 2 ranks" in done.stdout
    config = json.loads((tmp_path / "results/1/config.json").read_text())
    assert (config["env_name"], config["seed"], config["max_speed"]) == ("LunarLanderContinuous-v2", 3, 0.3)


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_train_scripts_say_what_they_are_for(launch, environ, word):
    done = launch(ROOT / "bin" / "train_walker2d.sh", word, env=environ)
    assert done.returncode == 0
    assert "Walker2d-v2 under mpiexec" in done.stdout
    assert "NRANKS: number of ranks" in done.stdout


@pytest.mark.parametrize("number", ["0", "two", "-1"])
def test_a_number_of_ranks_that_cannot_be_is_refused(launch, environ, number):
    done = launch(ROOT / "bin" / "train_lunarlander.sh", "with", "niters=1", env=environ | {"NRANKS": number})
    assert done.returncode == 1
    assert done.stderr == f"NRANKS: expected a number of ranks, got '{number}'\n"


def test_an_environment_that_was_left_half_made_is_made_anew(launch, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "half"], check=True)
    source = (ROOT / "bin" / "_environment.sh").read_text()
    remake = next(line for line in source.splitlines() if "venv --clear" in line).removesuffix("&&")
    half = tmp_path / "half"
    script = f'VENV={half} PY={half}/bin/python PYTHON={sys.executable}; {remake}; "$PY" -m pip --version'
    done = launch("bash", "-c", script)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["3.9", "3.14"])
def test_a_python_without_wheels_is_refused_before_anything_is_made(launch, tmp_path, version):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    environ = os.environ | {"VENV": str(tmp_path / "venv"), "PYTHON": str(python)}
    done = launch(ROOT / "bin/quickstart", env=environ, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"expected Python 3.10 to 3.13, got {version} ({python}): ")
    assert not (tmp_path / "venv").exists()


def test_an_installation_that_fails_is_no_installation(launch, environ, tmp_path):
    versions = tmp_path / "versions.txt"
    versions.write_text("numpy==0.0.1\n")
    done = launch(ROOT / "bin/train_lunarlander.sh", "print_config", env=environ | {"CONSTRAINTS": str(versions)})
    assert done.returncode == 1
    assert "installation failed" in done.stderr
    stamp = Path(environ["VENV"]) / ".installed-all"
    done = launch(ROOT / "bin/train_lunarlander.sh", "print_config", env=environ)
    assert (done.returncode, stamp.exists()) == (0, True)  # what was there is there still


def test_train_script_hands_on_the_exit_code(launch, environ):
    done = launch(ROOT / "bin" / "train_lunarlander.sh", "with", "popsize=7", env=environ)
    assert done.returncode == 2
    assert done.stderr.count("popsize: expected an even number") == 1


def test_quickstart_trains_draws_and_says_what_comes_next(launch, environ, tmp_path):
    updates = ["niters=1", "popsize=4", "max_episode_length=20", "re_eval_num_episodes=1"]
    done = launch(ROOT / "bin" / "quickstart", *updates, env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "re-evaluated mean return" in done.stdout
    assert (tmp_path / "results/1/learning_curve.png").exists()
    command = done.stdout.splitlines()[-1].split()
    assert command[1:4] == ["-m", "mpi_pgpe.enjoy", "results/1/best.pickle"]
    shown = launch(*command[:4], "--episodes", "1", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    failed = launch(ROOT / "bin" / "quickstart", "popsize=7", env=environ, cwd=tmp_path)
    assert failed.returncode != 0


def test_pre_commit_runs_what_the_test_script_runs():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    script = (ROOT / "bin/test").read_text()
    for entry in re.findall(r"^ *entry: (.+)$", hooks, re.M):
        assert re.search(rf"^{re.escape(entry)}\b", script, re.M), entry
    checks = re.findall(r"^(?:ruff|mypy|shellcheck).*$", script, re.M)
    assert [check.split()[0] for check in checks] == ["ruff", "ruff", "mypy", "shellcheck"]
    pattern = re.compile(re.findall(r"^ *files: (.+)$", hooks, re.M)[-1])
    named = {str(path.relative_to(ROOT)) for glob in checks[-1].split()[1:] for path in ROOT.glob(glob)}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("this is no checkout of git")
    assert {path for path in tracked if pattern.search(path)} == named

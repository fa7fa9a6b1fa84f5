"""The command line as a user meets it: what it prints, what it writes, and when it starts MPI."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from places import HELPERS, python_path

from mpi_pgpe.agents import read_agent
from mpi_pgpe.cli import configs
from mpi_pgpe.train import main
from mpi_pgpe.training.settings import TABLE

pytestmark = pytest.mark.launches

TRAIN = ("-m", "mpi_pgpe.train")
SMALL = ("fast", "niters=4", "popsize=8", "num_interactions=300", "seed=9", "re_eval_interval=2", "save_interval=3")
METRICS = {
    *("generation", "pop_median", "pop_mean", "pop_best", "pop_nonfinite", "popsize", "pop_timesteps", "pop_elapsed"),
    *("elapsed", "timesteps", "stdev_min", "stdev_max", "stdev_mean", "pop_failed"),
    *("ranks", "idle_fraction", "dropped_fraction", "state_digest"),
}
RE_EVAL_METRICS = {
    *("re_eval_mean", "re_eval_median", "re_eval_min", "re_eval_max"),
    *("re_eval_generation", "re_eval_elapsed", "re_eval_timesteps"),
}


def plain(text):
    """`text` without colours."""
    return re.sub(r"\x1b\[\d+m", "", text)


def entries(text):
    """The entries that print_config shows: {name: (value, comment)}."""
    lines = plain(text).splitlines()
    shown = re.findall(r"^  (\w+) = (.+?) +# (.+)$", "\n".join(lines), re.M)
    assert len(shown) == len(lines) - 1, "an entry without a comment"
    return {name: (value, comment) for name, value, comment in shown}


@pytest.fixture
def printed_config(capfd):
    """A function from updates to the entries that print_config shows with them."""

    def show(*updates):
        assert main(["print_config", "with", "seed=1", *updates]) == 0
        return entries(capfd.readouterr().out)

    return show


# -- commands that only print ---------------------------------------------------------------------------


def test_print_config_shows_every_entry_with_its_comment(launch):
    shown = entries(launch(*TRAIN, "print_config").stdout)
    assert set(shown) == set(TABLE)
    assert {name: comment for name, (_, comment) in shown.items()} == {name: e.comment for name, e in TABLE.items()}


@pytest.mark.parametrize(
    "command",
    [("print_config",), ("print_named_configs",), ("print_dependencies",), ("--help",), ("help",)],
    ids=lambda command: command[0],
)
def test_commands_that_print_start_no_mpi_and_load_no_simulator(launch, tmp_path, command):
    """An import of mpi4py, gym, pybullet or torch would end the program."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('mpi4py', 'gym', 'pybullet', 'torch'):\n"
        "            raise RuntimeError('imported ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    environ = os.environ | {"PYTHONPATH": python_path(tmp_path)}
    blocked = launch("-c", "import mpi4py", env=environ)
    assert "imported mpi4py" in blocked.stderr, "the blocker does not work"
    done = launch(*TRAIN, *command, env=environ)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["print_config", "print_named_configs"])
def test_what_is_printed_is_printed_once(launch, command):
    one, three = (launch(*TRAIN, command, "with", "seed=1", ranks=ranks) for ranks in (1, 3))
    assert three.returncode == 0
    assert three.stdout == one.stdout
    assert three.stderr == ""


def test_named_configs_are_listed_with_their_descriptions(launch):
    lines = plain(launch(*TRAIN, "print_named_configs").stdout).splitlines()
    listed = dict(re.findall(r"^  (\w+) +# (.+)$", "\n".join(lines), re.M))
    assert list(listed) == ["humanoid_bullet", "humanoid", "walker2d", "lunarlander", "fast"]
    assert all(text.endswith(".") for text in listed.values())


DERIVED = ("env_name", "re_eval_env_name", "popsize", "num_interactions", "max_speed", "center_lr", "radius")


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ("", ("mpi_pgpe/TinyTrajHumanoidBulletEnv-v0", "HumanoidBulletEnv-v0", 10000, 1500000, 0.15, 0.075, 2.25)),
        ("max_speed=0.5 popsize=400", (..., ..., 400, 60000, 0.5, 0.25, 7.5)),
        ("max_speed=0.5 center_lr=0.1 radius=2", (..., ..., ..., ..., 0.5, 0.1, 2)),
        ("popsize=400 num_interactions=7", (..., ..., 400, 7, ..., ..., ...)),
        ("env_name=CartPole-v1", ("CartPole-v1", None, 42, 6300, ..., ..., ...)),
        ("env_name=CartPole-v1 re_eval_env_name=CartPole-v0", ("CartPole-v1", "CartPole-v0", 42, 6300, ..., ..., ...)),
        ("walker2d", ("Walker2d-v2", None, 100, 75000, 0.015, 0.0075, 0.225)),
        ("walker2d popsize=400", ("Walker2d-v2", None, 400, 300000, 0.015, 0.0075, 0.225)),
        ("humanoid max_speed=0.1", ("Humanoid-v2", None, 200, 150000, 0.1, 0.05, 1.8)),
        ("humanoid_bullet env_name=CartPole-v1", ("CartPole-v1", None, ..., ..., ..., ..., ...)),
        ("walker2d fast", ("CartPole-v1", None, 40, 4000, 0.3, 0.15, 4.5)),
        ("lunarlander", ("LunarLanderContinuous-v2", None, 200, None, 0.3, 0.15, 4.5)),
    ],
)
def test_derived_values_follow_unless_they_are_set(printed_config, updates, expected):
    shown = printed_config(*updates.split())
    default = {"popsize": 10000, "num_interactions": 1500000, "max_speed": 0.15, "center_lr": 0.075, "radius": 2.25}
    for name, value in zip(DERIVED, expected, strict=True):
        wanted = default.get(name) if value is ... else value
        found = shown[name][0]
        if wanted is None:
            assert found == "None" or value is ..., name
        elif isinstance(wanted, str):
            assert found == repr(wanted), name
        else:
            assert float(found) == pytest.approx(wanted), name


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ("FILE", (400, 60000, 0.5, 0.25, 7.5)),
        ("walker2d FILE", (400, 300000, 0.5, 0.25, 7.5)),
        ("FILE walker2d", (100, 75000, 0.015, 0.0075, 0.225)),
        ("FILE popsize=20 walker2d", (20, 15000, 0.015, 0.0075, 0.225)),
        ("walker2d max_speed=1 FILE radius=3", (400, 300000, 1, 0.5, 3)),
    ],
)
def test_derived_values_follow_a_file_of_settings_too(printed_config, tmp_path, updates, expected):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"popsize": 400, "max_speed": 0.5}))
    shown = printed_config(*[str(file) if word == "FILE" else word for word in updates.split()])
    found = [float(shown[name][0]) for name in ("popsize", "num_interactions", "max_speed", "center_lr", "radius")]
    assert found == pytest.approx(expected)


def test_arguments_of_the_environment_come_from_files_and_one_by_one(capfd, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text('{"env_config": {"a": 1, "b": 1}, "re_eval_env_config": null}')
    second.write_text('{"env_config": {"b": 2, "c": 2}}')
    updates = [str(first), str(second), "env_config.a=3", "re_eval_env_config.d=4"]
    assert main(["print_config", "with", *updates]) == 0
    assert re.findall(r"^    (\w+) = (\d)$", plain(capfd.readouterr().out), re.M) == [
        *(("a", "3"), ("b", "2"), ("c", "2")),
        ("d", "4"),
    ]


def test_humanoid_bullet_is_the_default_written_out(printed_config):
    assert printed_config("humanoid_bullet") == printed_config()


def test_enforce_clean_takes_committed_sources_alone(launch, tmp_path):
    shutil.copytree(
        Path(configs.__file__).parents[1], tmp_path / "mpi_pgpe", ignore=shutil.ignore_patterns("__pycache__")
    )
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        assert launch(*git, *command, cwd=tmp_path).returncode == 0
    command = (*TRAIN, "print_config", "-e")
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = launch(*command, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "mpi_pgpe/search/noise.py").open("a") as file:
        file.write("# changed\n")
    done = launch(*command, cwd=tmp_path, env=environ)
    assert done.returncode == 2
    assert "EnforceClean" in done.stderr


# -- a recorded run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(launch, tmp_path_factory):
    """(process, run folder, results folder) of a small training on 3 ranks."""
    results = tmp_path_factory.mktemp("results")
    done = launch(*TRAIN, "-F", results, "-n", "small", "-c", "a comment", "with", *SMALL, ranks=3)
    assert done.returncode == 0, done.stderr
    return done, results / "1", results


def test_one_run_is_recorded_whatever_the_number_of_ranks(run):
    _, folder, results = run
    assert sorted(p.name for p in results.iterdir()) == ["1", "_sources"]
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "COMPLETED"
    assert record["experiment"]["name"] == "small"
    assert record["meta"]["comment"] == "a comment"
    config = json.loads((folder / "config.json").read_text())
    assert set(TABLE) <= set(config)
    assert (config["seed"], config["popsize"], config["env_name"]) == (9, 8, "CartPole-v1")


def test_metrics_are_recorded_by_generation(run):
    _, folder, _ = run
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == METRICS | RE_EVAL_METRICS
    for name, recorded in metrics.items():
        assert recorded["steps"] == ([2, 4] if name in RE_EVAL_METRICS else [1, 2, 3, 4]), name
        assert len(recorded["values"]) == len(recorded["steps"])
    assert metrics["generation"]["values"] == [1, 2, 3, 4]
    timesteps, made = metrics["timesteps"]["values"], metrics["pop_timesteps"]["values"]
    assert timesteps == [sum(made[: i + 1]) for i in range(4)]
    assert metrics["re_eval_timesteps"]["values"] == timesteps[1::2]
    elapsed = metrics["elapsed"]["values"]
    assert elapsed == sorted(elapsed)
    result = json.loads((folder / "run.json").read_text())["result"]
    assert result == metrics["re_eval_mean"]["values"][-1]


def test_agents_are_artifacts_of_the_run(run):
    _, folder, _ = run
    names = {p.name for p in folder.glob("*.pickle")}
    centers = {"CartPole-v1_seed9_iter3.pickle", "CartPole-v1_seed9_iter4.pickle"}
    assert names == centers | {"best.pickle", "best_solution.pickle"}
    assert set(json.loads((folder / "run.json").read_text())["artifacts"]) == names
    metrics = json.loads((folder / "metrics.json").read_text())["re_eval_mean"]["values"]
    best = read_agent(folder / "best.pickle").metadata
    assert best["generation"] == (2 if metrics[0] >= metrics[1] else 4)
    assert best["returns"]["re_eval_mean"] == max(metrics)
    assert read_agent(folder / "CartPole-v1_seed9_iter3.pickle").metadata["generation"] == 3


def test_each_generation_is_one_compact_line(run):
    done, folder, _ = run
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("generation=")] == [
        f"generation={i}" for i in range(1, 5)
    ]
    assert sum(line.startswith("re_eval_mean=") for line in lines) == 2
    assert max(len(line) for line in lines if line.startswith("generation=")) <= 110
    digests = json.loads((folder / "metrics.json").read_text())["state_digest"]["values"]
    assert [line for line in lines if "state_digest" in line] == [f"state_digest={digests[-1]:012x}"]
    assert f"run: {folder}" in lines
    assert f"best agent: {folder / 'best.pickle'}" in lines
    assert "\r" not in done.stdout + done.stderr  # no progress bar outside of a terminal
    assert done.stdout.count(f"training CartPole-v1 (gym {importlib.metadata.version('gym')}): ") == 1
    assert done.stderr == ""


def test_unobserved_run_leaves_no_record(launch, tmp_path):
    done = launch(*TRAIN, "-u", "-F", "results", "with", *SMALL, cwd=tmp_path, ranks=2)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("results/*/run.json"))
    assert list(tmp_path.glob("saved_agents/*_CartPole-v1_*/best.pickle"))
    assert "run:" not in done.stdout


def test_run_without_a_results_folder_keeps_its_agents(launch, tmp_path):
    done = launch(*TRAIN, "with", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (best,) = tmp_path.glob("saved_agents/*_CartPole-v1_*/best.pickle")
    assert f"best agent: {best.relative_to(tmp_path)}" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["saved_agents"]


def test_loglevel_force_and_entries_of_env_config(launch, tmp_path):
    updates = ["niters=1", "popsize=4", "num_interactions=None", "seed=1"]
    environ = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    slope = ["env_name=small_envs:Slope", "env_config.scale=3.5", "hidden_size=2"]
    options = ["-l", "ERROR", "-F", tmp_path]
    done = launch(*TRAIN, *options, "with", *updates, *slope, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert read_agent(tmp_path / "1" / "best.pickle").metadata["env_config"] == {"scale": 3.5}
    refused = launch(*TRAIN, *options, "with", *updates, *slope, "made_up=1", env=environ)
    assert refused.returncode != 0
    assert "made_up" in refused.stderr
    forced = launch(*TRAIN, *options, "-f", "with", *updates, *slope, "made_up=1", env=environ)
    assert forced.returncode == 0, forced.stderr
    assert json.loads((tmp_path / "2" / "config.json").read_text())["made_up"] == 1


def test_seed_is_recorded_if_none_is_given(launch, tmp_path):
    for _ in range(2):
        done = launch(*TRAIN, "-F", tmp_path, "with", "fast", "niters=1", "popsize=4", "num_interactions=8")
        assert done.returncode == 0
    seeds = [json.loads((tmp_path / n / "config.json").read_text())["seed"] for n in "12"]
    assert seeds[0] != seeds[1]
    assert read_agent(tmp_path / "1" / "best.pickle").metadata["seed"] == seeds[0]


# -- lean ranks -------------------------------------------------------------------------------------------


def test_evaluating_ranks_load_neither_torch_nor_sacred_and_compute_on_one_thread(launch, tmp_path):
    environ = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | {
        "PYTHONPATH": python_path(HELPERS)
    }
    updates = ["popsize=40", "num_interactions=None", "niters=2", "hidden_size=2", "seed=1"]
    where = ["env_name=small_envs:Recorder", f"env_config.folder='{tmp_path}'"]
    for given, expected in ((None, "1"), ("2", "2")):
        threads = {} if given is None else {"OMP_NUM_THREADS": given}
        done = launch(*TRAIN, "with", *updates, *where, env=environ | threads, ranks=3, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        for rank in range(3):
            seen = json.loads((tmp_path / f"{rank}.json").read_text())
            modules = {name.partition(".")[0] for name in seen["modules"]}
            assert {"numpy", "mpi4py", "gym"} <= modules
            assert "torch" not in modules
            assert ("sacred" in modules) == (rank == 0)
            for library in ("OMP", "OPENBLAS", "MKL"):
                assert seen["environ"][f"{library}_NUM_THREADS"] == expected
        for file in tmp_path.glob("*.json"):
            file.unlink()


def test_re_evaluation_is_spread_over_the_ranks(launch, tmp_path):
    where = ["re_eval_env_name=small_envs:Recorder", f"re_eval_env_config.folder='{tmp_path}'"]
    updates = [
        "env_name=small_envs:Slope",
        "popsize=8",
        "num_interactions=None",
        "niters=1",
        "re_eval_num_episodes=100",
    ]
    environ = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    done = launch(*TRAIN, "with", "fast", *updates, *where, env=environ, ranks=3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.glob("*.json")} == {"0.json", "1.json", "2.json"}

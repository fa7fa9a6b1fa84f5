"""What cannot be is refused before any work, once, by rank 0; on all ranks of the world together."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import small_envs
from places import HELPERS, python_path

from mpi_pgpe.parallel.launcher import read_promised_rank
from mpi_pgpe.parallel.world import World
from mpi_pgpe.train import main

pytestmark = pytest.mark.serial

ROOT_RANK = (read_promised_rank() or (0, 1))[0] == 0
ENV = "env_name=small_envs:Slope"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, heard)


def refused(capfd, *argv):
    """All ranks: run the command line, see that it is refused as it should; returns rank 0's message."""
    small_envs.MADE.clear()
    exit_code = main([*argv])
    out, err = capfd.readouterr()
    assert exit_code == 2
    assert small_envs.MADE == [], "an environment was made"
    assert not os.listdir(), "something was written"
    assert out == ""
    if not ROOT_RANK:
        assert err == ""
        return None
    assert "Traceback" not in err
    assert err.startswith("train: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("update", "parts"),
    [
        ("popsize=7", ["popsize: expected an even number", "got 7", "use 6 or 8"]),
        ("seed=5000000000", ["seed: expected a whole number from 0 to 4294967295", "got 5000000000"]),
        ("seed=1e3", ["seed: expected a whole number", "got 1000.0"]),
        ("hidden_size=1000000000", ["hidden_size: expected None or at most 65536", "got 1000000000"]),
        ("popsize=0", ["popsize: expected", "at least 2", "got 0"]),
        ("popsize=abc", ["popsize: expected a whole number", "got 'abc'"]),
        ("popsize=2000000", ["popsize: expected at most", "got 2000000"]),
        ("popsize_max=38", ["popsize_max: expected at least popsize (40)", "got 38"]),
        ("max_speed=0", ["max_speed: expected a positive number", "got 0"]),
        ("max_speed=fast", ["max_speed: expected a positive number", "got 'fast'"]),
        ("max_speed=1e999", ["max_speed: expected a positive number", "got inf"]),
        ("center_lr=-1", ["center_lr: expected", "positive number", "got -1"]),
        ("stdev_lr=-1", ["stdev_lr: expected zero or a positive number", "got -1"]),
        ("radius=-2.5", ["radius: expected", "positive number", "got -2.5"]),
        ("niters=0", ["niters: expected a whole number of at least 1", "got 0"]),
        ("niters=1.5", ["niters: expected a whole number of at least 1", "got 1.5"]),
        ("save_interval=0", ["save_interval: expected", "got 0"]),
        ("re_eval_interval=-3", ["re_eval_interval: expected", "got -3"]),
        ("re_eval_num_episodes=0", ["re_eval_num_episodes: expected", "got 0"]),
        ("num_interactions=0", ["num_interactions: expected None or a whole number", "got 0"]),
        ("num_episodes=0", ["num_episodes: expected", "got 0"]),
        ("max_episode_length=0", ["max_episode_length: expected", "got 0"]),
        ("num_hidden=-1", ["num_hidden: expected", "at least 0", "got -1"]),
        ("num_hidden=101", ["num_hidden: expected None or at most 100 hidden layers", "got 101"]),
        ("seed=-1", ["seed: expected", "from 0", "got -1"]),
        ("obs_norm=maybe", ["obs_norm: expected True or False", "got 'maybe'"]),
        ("solution_ranking=1", ["solution_ranking: expected True or False", "got 1"]),
        ("optimizer=adamw", ["optimizer: expected one of clipup, adam, sgd", "got 'adamw'"]),
        ("target_return=high", ["target_return: expected None or a finite number", "got 'high'"]),
        ("env_config=3", ["env_config: expected keyword arguments", "got 3"]),
        ("env_name=''", ["env_name: expected the name of an environment", "got ''"]),
        ("env_name=CartPole-v7", ["no environment 'CartPole-v7'", "did you mean CartPole-v"]),
        ("re_eval_env_name=Hoper-v1", ["no environment 'Hoper-v1'", "Hopper"]),
        ("env_name=nowhere:Env", ["module 'nowhere' cannot be imported", "PYTHONPATH"]),
        ("env_name=small_envs:Slop", ["module 'small_envs'", "'Slop'"]),
        ("env_name=small_envs.Slope", ["no environment 'small_envs.Slope'", "such as small_envs:Slope"]),
        ("popsze=8", ["unknown configuration entry 'popsze'", "did you mean popsize?"]),
        ("env_nam=x", ["unknown configuration entry 'env_nam'", "did you mean env_name?"]),
        ("qqqqq=1", ["unknown configuration entry 'qqqqq'", "print_config"]),
        ("walkr2d", ["walkr2d", "walker2d"]),
        ("env=x", ["unknown configuration entry 'env'; did you mean env_name"]),
        ("lr=1", ["did you mean center_lr"]),
        ("generations=5", ["did you mean niters"]),
        ("population_size=8", ["did you mean popsize"]),
        ("sigma=1", ["did you mean stdev (initial stdev; None: radius / sqrt(parameters)"]),
        ("num_cpus=4", ["mpirun -n 4 python -m mpi_pgpe.train"]),
        ("activation=swish", ["activation: expected one of tanh, relu, elu, gelu, sigmoid, sin", "got 'swish'"]),
        ("hidden=8,-8", ["hidden: expected None or widths of at least 1", "-8"]),
        ("nonlinearity=relu", ["did you mean activation"]),
        ("optimizer={1,2}", ["optimizer: expected one of clipup, adam, sgd, got {1, 2}"]),
        ("popsize=b'8'", ["popsize: expected a whole number of at least 2, got b'8'"]),
        ("notes={1,2}", ["notes: expected None or text, got {1, 2}"]),
        ("env_config={'a':b'x'}", ["env_config: expected numbers, text, lists and dictionaries"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_values_are_refused_before_any_work(capfd, update, parts):
    message = refused(capfd, "-F", "results", "with", "fast", ENV, update)
    if ROOT_RANK:
        for part in parts:
            assert part in message


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--niters 5", ["unknown option --niters; did you mean `with niters=VALUE`?", "[with NAME ENTRY=VALUE"]),
        ("--fast", ["unknown option --fast; did you mean `with fast`?"]),
        ("-n with fast", ["--name: expected a value before `with`"]),
        ("--loglevell=ERROR with fast", ["unknown option --loglevell; did you mean --loglevel?"]),
        ("-l ERROR -l INFO with fast", ["--loglevel is given twice"]),
        ("-n", ["-n requires argument"]),
        ("fast", ["fast: expected one of the commands", "did you mean `with fast`?"]),
        ("popsize=8", ["popsize=8: expected one of the commands", "did you mean `with popsize=8`?"]),
        ("prnt_config", ["did you mean print_config?"]),
        ("fast popsize=8", ["expected [COMMAND] [with NAME ENTRY=VALUE"]),
        ("with missing.json", ["with missing.json: expected ENTRY=VALUE, a file or one of humanoid_bullet, "]),
        (
            "with fast popsize = 8",
            ["with popsize: expected ENTRY=VALUE", "did you mean popsize=VALUE, without spaces?"],
        ),
        ("with popsize=4 popsize.x=4", ["popsize=4 popsize.x=4: popsize is set as a value, and"]),
        ("-b x with fast", ["--beat-interval x: expected seconds"]),
        ("-b inf with fast", ["--beat-interval inf: expected seconds"]),
        ("-P high with fast", ["--priority high: expected a number"]),
        ("-l LOUD with fast", ["--loglevel LOUD: expected DEBUG"]),
        ("-C fd with fast", ["--capture fd: expected sys or no"]),
        ("-s nosuch:///x --enforce_clean with fast", ["(with -d: where)"]),
    ],
)
def test_command_lines_that_cannot_be_are_refused_in_one_line(capfd, arguments, parts):
    message = refused(capfd, "-F", "results", *arguments.split())
    if ROOT_RANK:
        for part in parts:
            assert part in message


LONG = "n" * 300


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("bad.json", b"{bad", "which can be read (Expecting property name"),
        ("list.json", b"[1]", "entries and their values, got [1]"),
        ("many.json", b'{"popsize": "many"}', "many.json: popsize: expected a whole number of at least 2, got 'many'"),
        ("more.json", b'{"popsze": 4}', "unknown configuration entry 'popsze'; did you mean popsize?"),
        ("bad.pickle", b"\x80junk", "ends in .json, .yaml or .yml; a pickle is not read, because loading one runs"),
        ("hidden.dat", b"\x80junk", "a pickle is not read"),
        ("settings.py", b"popsize = 4", "expected a file of settings that ends in .json, .yaml or .yml"),
        ("tagged.json", b'{"notes": {"py/tuple": [1, 2]}}', "notes: expected None or text, got {'py/tuple': [1, 2]}"),
        ("code.json", b'{"py/object": "os.system"}', "unknown configuration entry 'py/object'"),
        ("large.json", b'{"notes": "' + b"x" * 2**20 + b'"}', "it is larger than 1048576 bytes"),
        ("deep.json", b"[" * 100_000, "which can be read"),
    ],
)
def test_files_that_are_no_settings_are_refused_in_one_line(capfd, tmp_path_factory, name, content, part):
    path = tmp_path_factory.mktemp("elsewhere") / name
    path.write_bytes(content)
    for command in ([], ["print_config"])[: 1 + ROOT_RANK]:  # the second needs no other ranks
        message = refused(capfd, "-F", "results", *command, "with", "fast", str(path), ENV)
        if ROOT_RANK:
            assert part in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["-F", LONG],
        ["-F", f"none/{LONG}/below"],
        ["-i", LONG],
        ["with", LONG],
        ["with", f"{LONG}.json"],
        ["with", f"checkpoint=c/{LONG}"],
        ["with", f"resume={LONG}"],
        ["with", f"init_from={LONG}"],
        [LONG],
    ],
)
def test_names_that_no_file_system_takes_are_refused_in_one_line(capfd, arguments):
    message = refused(capfd, *arguments)
    assert len(message) < 1000
    if ROOT_RANK:
        assert "expected" in message


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/results"])
def test_results_folder_that_cannot_be_written_to_is_refused(capfd, tmp_path_factory, folder):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").touch()
    path = elsewhere / folder  # an absolute one stays as it is
    message = refused(capfd, "-F", str(path), "with", "fast", ENV)
    if ROOT_RANK:
        assert f"-F {path}: expected a folder" in message


@pytest.mark.launches
def test_a_folder_for_agents_that_cannot_be_written_to_is_refused(launch, tmp_path):
    (tmp_path / "saved_agents").touch()
    for options in ([], ["-u", "-F", "results"]):
        done = launch("-m", "mpi_pgpe.train", *options, "with", "fast", ranks=2)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("saved_agents, as -F is not given: expected a folder") == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("updates", "parts"),
    [
        (["env_name=small_envs:NoEnvironment"], ["small_envs:NoEnvironment", "without reset, step"]),
        (["env_name=small_envs:NoObservations"], ["small_envs:NoObservations", "expected observations in Box, "]),
        (["env_name=small_envs:NoActions"], ["small_envs:NoActions", "expected actions in Box, "]),
        (["env_name=..:x"], ["'..:x'", "expected `module:ID` or `module:Class`"]),
        (["env_name=CartPole-v1", "env_config.nonsense=1"], ["CartPole-v1", "'nonsense'"]),
        (["env_name=CartPole-v1", "re_eval_env_name=Pendulum-v1"], ["4 observations and 2 discrete", "Pendulum-v1"]),
    ],
    ids=str,
)
def test_environments_that_do_not_fit_are_refused_before_any_episode(capfd, updates, parts):
    assert main(["-F", "results", "with", "fast", *updates]) == 2
    World().goodbye()  # rank 0 has ended its record
    assert not list(Path().glob("results/[0-9]*")), "a run was recorded"
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == ROOT_RANK, "one message"
    assert err.count("train: ") == ROOT_RANK
    for part in parts:
        assert not ROOT_RANK or part in err


def test_a_good_command_line_runs_to_its_end(capfd):
    """So that the refusals above are refusals of what they name, not of something else."""
    small_envs.MADE.clear()
    updates = ["niters=1", "popsize=8", "num_interactions=None"]
    assert main(["-F", "results", "with", "fast", ENV, *updates]) == 0
    assert set(small_envs.MADE) <= {"Slope"}
    out, _ = capfd.readouterr()
    assert out.count("training small_envs:Slope") == ROOT_RANK
    if ROOT_RANK:
        assert small_envs.MADE
        assert os.listdir() == ["results"]
    World().goodbye()  # no rank leaves the folder before the run is over


@pytest.mark.launches
def test_refusal_under_mpiexec_ends_all_ranks_once(launch):
    environ = os.environ | {"PYTHONPATH": python_path(HELPERS)}
    for update in ("popsize=7", "env_name=CartPole-v7", "popsze=8"):
        done = launch("-m", "mpi_pgpe.train", "-F", "results", "with", "fast", ENV, update, ranks=3, env=environ)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("train: ") == 1
        assert "Traceback" not in done.stderr
        assert not os.listdir()

"""Whole training programs and their records: killed, stopped, failed, several at once, on several ranks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mongo_server import Relay
from places import HELPERS, python_path
from programs import mpiexec

from mpi_pgpe import sync
from mpi_pgpe.runs import run_folder

pytestmark = pytest.mark.launches
pytest_plugins = ["mongo_fixtures"]

TRAIN = ("-m", "mpi_pgpe.train")
SHORT = ("with", "fast", "popsize=4", "popsize_max=4", "num_interactions=4", "re_eval_num_episodes=2", "seed=1")
SLOW = ("env_name=small_envs:RaisesOnRank", "env_config.rank=9")  # 0.01 s a step

# Written beside the environment by every rank: what was loaded, and which processes were started.
WATCHED = """
import os, runpy, sys
def hook(event, args):
    starts = event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec")
    if starts and "mpi4py.MPI" in sys.modules:
        print("STARTED A PROCESS:", event, args, flush=True)
    if event == "socket.connect":
        print("CONNECTED:", args[1], "rank", os.environ.get("PMI_RANK", "0"), flush=True)
sys.addaudithook(hook)
sys.argv = ["train", *sys.argv[1:]]
runpy.run_module("mpi_pgpe.train", run_name="__main__", alter_sys=True)
"""

FAILING = """
import os
from gym.envs.classic_control.cartpole import CartPoleEnv
class Failing(CartPoleEnv):
    def step(self, action):
        if os.environ.get("PMI_RANK") == "1":
            raise ArithmeticError("the pole is made of jelly")
        return super().step(action)
"""


# Eight programs in the shape of one that loads sacred once.
EIGHT = """
import os, sys, time
from mpi_pgpe.runs.mongo import delivery
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.mongo.address import parse_target
from sacred import Experiment
import pymongo, mpi_pgpe.runs.mongo.mirror
delivery._PATIENCE = 120  # however slow the machine is
begin = time.time() + 1
def program(number):
    observer = Recorder(f"{sys.argv[1]}/{number % 4}", parse_target(sys.argv[2]))  # as on four machines
    experiment = Experiment(f"run {number}", base_dir="/", save_git_info=False, interactive=True)
    experiment.observers.append(observer)
    experiment.add_config({"env_name": "CartPole-v1"})
    @experiment.main
    def main(_run):
        for step in range(20):
            observer.record_metrics(step, {"a": 100 * number + step})
    time.sleep(max(0, begin - time.time()))
    experiment.run(options={"--beat-interval": 0.05, "--loglevel": "ERROR"})
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        program(number)
        os._exit(0)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def start(folder: Path, *arguments: str, ranks: int = 1, **environ: str) -> subprocess.Popen[str]:
    launcher = [mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    return subprocess.Popen(
        [*launcher, sys.executable, *TRAIN, *arguments], cwd=folder, env=os.environ | environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def read_until(program: subprocess.Popen[str], text: str) -> str:
    assert program.stdout is not None
    seen = ""
    for line in program.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} was not printed:\n{seen}")


def test_killed_and_delivered_by_sync(server, tmp_path, capsys):
    mongo = f"127.0.0.1:{server.port}:killed"
    program = start(tmp_path, "-F", "results", "-m", mongo, *SHORT, "niters=100000")
    read_until(program, "generation=30 ")
    program.kill()
    program.wait()
    runs = server.client["killed"]["runs"]
    assert runs.find_one()["status"] == "RUNNING"
    for _ in range(2):
        assert sync.main([str(tmp_path / "results"), "-m", mongo]) == 0
        printed = capsys.readouterr().out
        lines = [line for line, _ in run_folder.read_metric_lines(tmp_path / "results/1/metrics.jsonl")]
        assert len(lines) >= 30
        assert (
            f"run 1 in 127.0.0.1:{server.port}/killed (DEAD, {sum(map(len, lines)) - 2 * len(lines)} points" in printed
        )
        (run,) = runs.find()
        assert run["status"] == "PROBABLY_DEAD"  # which Omniboard knows
        assert run_folder.read_json(tmp_path / "results/1/run.json")["status"] == "DEAD"
        assert run["stop_time"] >= run["start_time"]
        for metric in server.client["killed"]["metrics"].find():
            steps = [line["step"] for line in lines if metric["name"] in line]
            assert metric["steps"] == steps
        assert "generation=29 " in run["captured_out"]  # the last line may have been killed on its way to the record
        assert run["artifacts"]


def test_eight_runs_at_once(server, tmp_path, launch):
    done = launch("-c", EIGHT, tmp_path / "results", f"127.0.0.1:{server.port}:eight")
    assert done.returncode == 0, done.stderr
    database = server.client["eight"]
    runs = list(database["runs"].find())
    assert len(runs) == 8
    for run in runs:
        (folder,) = tmp_path.glob(f"results/*/{run['_id']}")
        assert run["uid"] == run_folder.read_json(folder / run_folder.RUN)["uid"]
        assert run["status"] == "COMPLETED"
        values = database["metrics"].find_one({"run_id": run["_id"], "name": "a"})["values"]
        assert values == run_folder.read_json(folder / run_folder.METRICS)["a"]["values"]
        assert len(values) == 20
    assert {path.name for path in tmp_path.glob("results/*/*")} == {str(run["_id"]) for run in runs}


def test_a_failure_on_another_rank_is_recorded_with_its_trace(server, tmp_path):
    (tmp_path / "jelly.py").write_text(FAILING)
    program = start(
        tmp_path, "-F", "results", "-m", f"127.0.0.1:{server.port}:failed", *SHORT, "env_name=jelly:Failing",
        ranks=2, PYTHONPATH=python_path(tmp_path),
    )  # fmt: skip
    output, _ = program.communicate(timeout=300)
    assert program.returncode != 0
    if "to deliver the rest" in output:  # a failed run does not wait for a slow machine
        assert sync.main([str(tmp_path / "results/1"), "-m", f"127.0.0.1:{server.port}:failed"]) == 0
    recorded = (run_folder.read_json(tmp_path / "results/1/run.json"), server.client["failed"]["runs"].find_one())
    for run in recorded:
        assert run["status"] == "FAILED", output
        trace = "".join(run["fail_trace"])
        assert "on rank 1" in trace
        assert 'ArithmeticError("the pole is made of jelly")' in trace  # the line of the environment's source


def test_a_run_that_is_told_to_stop_is_interrupted(server, tmp_path):
    name = "stopped"
    program = start(tmp_path, "-F", "results", "-m", f"127.0.0.1:{server.port}:{name}", *SHORT, "niters=100000")
    read_until(program, "generation=20 ")
    program.send_signal(signal.SIGTERM)
    output, _ = program.communicate(timeout=300)
    assert program.returncode not in {0, -signal.SIGTERM}
    if "to deliver the rest" in output:  # on a slow machine
        assert sync.main([str(tmp_path / "results/1"), "-m", f"127.0.0.1:{server.port}:{name}"]) == 0
    for run in (run_folder.read_json(tmp_path / "results/1/run.json"), server.client[name]["runs"].find_one()):
        assert run["status"] == "INTERRUPTED"
    assert len(server.client[name]["metrics"].find_one({"name": "generation"})["values"]) >= 20


def test_rank_0_alone_connects_and_nobody_starts_a_process_once_mpi_runs(server, tmp_path, launch):
    relay = Relay(server.port)
    argv = ["-F", "results", "-m", f"127.0.0.1:{relay.port}:watched", *SHORT[:-1], "seed=17", "niters=3"]
    done = launch("-c", WATCHED, *argv, ranks=3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    connected = re.findall(rf"CONNECTED: \('127.0.0.1', {relay.port}\) rank (\d)", done.stdout)
    assert set(connected) == {"0"}
    assert relay.connections > 0
    assert "STARTED A PROCESS" not in done.stdout
    assert "seed 17, 3 ranks" in done.stdout
    assert run_folder.read_json(tmp_path / "results/1/config.json")["seed"] == 17
    relay.shut()


def test_nothing_is_made_when_nothing_listens(tmp_path, launch):
    relay = Relay(1)
    relay.shut()
    done = launch(*TRAIN, "-m", f"127.0.0.1:{relay.port}:db", *SHORT, ranks=2, cwd=tmp_path)
    assert done.returncode == 1
    assert f"train: the MongoDB at 127.0.0.1:{relay.port}/db cannot be used: " in done.stderr
    assert "training" not in done.stdout
    assert list(tmp_path.glob("saved_agents/*")) == []


@pytest.mark.slow
def test_gone_for_good_in_a_whole_program(server, tmp_path, launch):
    relay = Relay(server.port)
    mongo = f"127.0.0.1:{relay.port}:gone"
    program = start(tmp_path, "-m", mongo, *SHORT, "niters=60", *SLOW, PYTHONPATH=python_path(HELPERS))
    read_until(program, "generation=1 ")
    relay.shut()
    output, _ = program.communicate(timeout=300)
    assert program.returncode == 0  # of the training
    command = re.search(r"python (-m mpi_pgpe.sync saved_agents/\S+ -m \S+)\n", output)
    assert command, output
    relay.open()
    done = launch(*command[1].split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = server.client["gone"]["runs"].find_one()
    assert (run["status"], run["config"]["seed"]) == ("COMPLETED", 1)
    assert run["result"] == server.client["gone"]["metrics"].find_one({"name": "re_eval_mean"})["values"][-1]
    assert len(server.client["gone"]["metrics"].find_one({"name": "popsize"})["values"]) == 60
    relay.shut()


def test_no_secret_of_the_command_line_or_the_environment_is_shown(tmp_path, launch):
    url = "mongodb://rosalind:s3cret@127.0.0.1:1/db?authMechanismProperties=hush"
    run = (*TRAIN, "-l", "DEBUG", "-F", "results")
    outputs = [
        launch(*run, *SHORT, "niters=1", cwd=tmp_path, env=os.environ | {"MPI_PGPE_MONGO": url}),
        launch(*run, "-m", url, "-m", url, "with", cwd=tmp_path),
        launch("-m", "mpi_pgpe.sync", "results", "-m", url, cwd=tmp_path),
    ]
    assert [bool(done.returncode) for done in outputs] == [False, True, True], outputs
    everything = "".join(done.stdout + done.stderr for done in outputs)
    everything += "".join(path.read_text(errors="replace") for path in (tmp_path / "results").glob("[0-9]*/*"))
    assert "127.0.0.1:1" in everything
    for secret in ("s3cret", "rosalind", "hush"):
        assert secret not in everything


def test_options_of_sacred(server, tmp_path, launch):
    mongo = f"127.0.0.1:{server.port}:options"
    run = (*TRAIN, "-F", "results")
    refused = launch(*run, "-C", "fd", *SHORT, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--capture fd: expected sys or no" in refused.stderr
    queued = launch(*run, "-q", "-m", mongo, *SHORT, cwd=tmp_path)
    assert queued.returncode == 0, queued.stderr
    assert server.client["options"]["runs"].find_one()["status"] == "QUEUED"
    unobserved = launch(*run, "-u", "-m", "127.0.0.1:1:db", *SHORT, "niters=1", cwd=tmp_path)
    assert unobserved.returncode == 0, unobserved.stderr
    assert [path.name for path in (tmp_path / "results").glob("[0-9]*")] == ["1"]

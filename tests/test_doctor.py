"""doctor: what it finds, in real launches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import HELPERS, python_path

pytestmark = pytest.mark.launches

CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("SLURM_", "OMPI_", "PMI_", "PMIX_")) and not name.endswith("_NUM_THREADS")
}


def doctor(launch, *arguments, ranks=1, **environment):
    done = launch("-m", "mpi_pgpe.doctor", "--json", *arguments, ranks=ranks, env=CLEAN | environment)
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) is result["ok"]
    assert result["ok"] is all(finding["status"] != "problem" for finding in result["findings"])
    assert all(finding["do"] for finding in result["findings"] if finding["status"] != "ok")
    return {finding["topic"]: finding for finding in result["findings"]}


def test_alone(launch):
    findings = doctor(launch)
    assert "mpi4py" in findings["MPI"]["finding"]
    assert findings["launcher"]["finding"] == "none: this is one rank"
    assert findings["ranks"]["finding"].startswith("1 on 1 host; here 1 on ")
    assert findings["gym"]["finding"].startswith("gym/CartPole-v1 works (gym 0.26")
    assert findings["PyBullet"]["status"] == "ok"
    assert "MongoDB" not in findings


def test_without_mpi_that_is_what_it_finds(launch):
    program = "import sys; sys.modules['mpi4py'] = None; from mpi_pgpe import doctor; sys.exit(doctor.main(['--json']))"
    done = launch("-c", program, env=CLEAN)
    assert (done.returncode, done.stderr) == (1, "")
    findings = {finding["topic"]: finding for finding in json.loads(done.stdout.splitlines()[-1])["findings"]}
    assert findings["MPI"]["status"] == "problem"
    assert findings["MPI"]["finding"].startswith("no MPI library can be loaded")
    assert findings["MPI"]["do"].startswith("pip install mpi4py mpich")
    assert findings["gym"]["status"] == "ok"


def test_under_mpirun(launch):
    findings = doctor(launch, ranks=3)
    assert findings["launcher"] == {
        "topic": "launcher",
        "status": "ok",
        "finding": "it promised 3 ranks, and MPI sees them all",
        "do": "",
    }
    assert findings["ranks"]["finding"].startswith("3 on 1 host; here 3 on ")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_cores_that_ranks_are_bound_to():
    """Open MPI's mpiexec binds the ranks of each run to the same cores; here taskset does."""
    core = str(min(os.sched_getaffinity(0)))
    mpiexec = Path(sys.executable).parent / "mpiexec"
    for bound in ([], ["taskset", "-c", core]):
        done = subprocess.run(
            [mpiexec, "-n", "1", *bound, sys.executable, "-m", "mpi_pgpe.doctor", "--json"],
            capture_output=True, text=True, env=CLEAN, check=True,
        )  # fmt: skip
        findings = {each["topic"]: each for each in json.loads(done.stdout.splitlines()[-1])["findings"]}
        assert ("binding" in findings) is bool(bound)
    assert findings["binding"]["status"] == "note"
    assert re.match(r"here 1 on 1 cores of \d+: the launcher binds", findings["binding"]["finding"])


def test_a_launcher_of_another_mpi_is_a_problem(launch):
    """What a process of `mpirun -n 4` sees when mpirun is not that of the MPI library."""
    foreign = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}
    finding = doctor(launch, **foreign)["launcher"]
    assert finding["status"] == "problem"
    assert "promised 4 ranks, but MPI sees a world of 1" in finding["finding"]
    assert "mpiexec" in finding["do"]
    other = launch("-m", "mpi_pgpe.doctor", env=CLEAN | foreign | {"OMPI_COMM_WORLD_RANK": "2"})
    assert (other.returncode, other.stdout) == (1, "")  # the first one says it all


def test_threads_that_exceed_the_cores_are_a_problem(launch):
    assert doctor(launch)["threads"]["status"] == "ok"
    finding = doctor(launch, OMP_NUM_THREADS="5000")["threads"]
    assert (finding["status"], finding["do"][:23]) == ("problem", "export OMP_NUM_THREADS=")


def test_an_environment_that_is_asked_for_has_to_work(launch):
    findings = doctor(launch, "--env", "CartPol-v1", "--env", "Pendulum-v1")
    assert findings["environment CartPol-v1"]["status"] == "problem"
    assert "did you mean CartPole-v1" in findings["environment CartPol-v1"]["finding"]
    assert findings["environment Pendulum-v1"]["status"] == "ok"


def test_an_environment_that_breaks_in_an_episode_is_a_problem(launch):
    """Its first step, which is tried first, goes well."""
    config = ["--env-config", "{'every': 1}"]
    findings = doctor(launch, "--env", "odd_envs:Failing", *config, PYTHONPATH=python_path(HELPERS))
    finding = findings["environment odd_envs:Failing"]
    assert finding["status"] == "problem"
    assert re.search(r"RuntimeError: the leg came off \(.*odd_envs\.py:\d+\)$", finding["finding"])


def test_a_refused_environment_gets_advice_that_fits(launch):
    config = ["--env-config", "{'observations': 'Text'}"]
    named = ["--env", "spaced_envs:Spaced", "--env", "raises_at_import:X"]
    findings = doctor(launch, *named, *config, PYTHONPATH=python_path(HELPERS))
    refused = findings["environment spaced_envs:Spaced"]
    assert "expected observations in Box, Discrete, " in refused["finding"]
    assert refused["do"].startswith("wrap it")
    assert "reinstall" not in findings["environment raises_at_import:X"]["do"]


def test_an_environment_without_a_time_limit_is_told(launch):
    found = doctor(launch, "--env", "small_envs:Endless", PYTHONPATH=python_path(HELPERS))[
        "environment small_envs:Endless"
    ]
    assert found["status"] == "note"
    assert "has no time limit, and an episode had not ended after" in found["finding"]
    assert "max_episode_length=STEPS" in found["do"]


def test_an_environment_that_draws_from_global_generators_is_told(launch):
    found = doctor(launch, "--env", "drawing_envs:FromNumpy", PYTHONPATH=python_path(HELPERS))
    found = found["environment drawing_envs:FromNumpy"]
    assert found["status"] == "note"
    assert "draws from the global generator of numpy:" in found["finding"]
    assert "self.np_random" in found["do"]


def test_a_package_that_is_installed_and_cannot_be_imported_is_a_problem(launch, tmp_path):
    """As mujoco is after an upgrade in place: findings/mujoco_upgrade_in_place.sh."""
    (tmp_path / "mujoco").mkdir()
    (tmp_path / "mujoco/__init__.py").write_text("raise ImportError('its library is gone')")
    for package, needs in (("mujoco", "Requires-Dist: mujoco-core==4.0.0\n"), ("mujoco_core", "")):
        information = tmp_path / f"{package}-4.0.0.dist-info"
        information.mkdir()
        name = package.replace("_", "-")
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 4.0.0\n{needs}")
    environ = {"PYTHONPATH": python_path(tmp_path)}
    findings = doctor(launch, "--env", "mpi_pgpe/Hopper-v2", **environ)
    found = findings["packages"]
    assert found["status"] == "problem"
    assert "mujoco 4.0.0 is installed, but cannot be imported (ImportError: its library is gone" in found["finding"]
    assert found["do"] == "pip install --force-reinstall --no-deps mujoco==4.0.0 mujoco-core==4.0.0"
    for topic in ("MuJoCo", "MuJoCo as v2 on today's", "environment mpi_pgpe/Hopper-v2"):
        assert findings[topic]["do"] == found["do"], "one advice for one cause"
    done = launch("-m", "mpi_pgpe.train", "with", "env_name=mpi_pgpe/Hopper-v2", env=CLEAN | environ)
    assert done.returncode == 2
    assert done.stderr.endswith("`python -m mpi_pgpe.doctor` tells whether a package is damaged, and what mends it\n")


def test_a_job_of_slurm_with_more_tasks_than_ranks_is_a_problem(launch):
    findings = doctor(launch, SLURM_JOB_ID="7", SLURM_NTASKS="8")
    assert findings["Slurm"]["status"] == "problem"
    assert "job 7 has 8 tasks, but MPI sees 1" in findings["Slurm"]["finding"]
    assert doctor(launch, ranks=2, SLURM_JOB_ID="7", SLURM_NTASKS="2")["Slurm"]["status"] == "ok"


def test_a_step_of_slurm_that_mpiexec_made_says_nothing_of_the_jobs_tasks(launch):
    found = doctor(launch, ranks=2, SLURM_JOB_ID="7", SLURM_NTASKS="1", SLURM_STEP_ID="0", SLURM_PROCID="0")
    assert (found["Slurm"]["status"], found["launcher"]["status"]) == ("ok", "ok")


def test_the_script_of_a_job_has_no_launcher(launch):
    found = doctor(launch, SLURM_JOB_ID="7", SLURM_NTASKS="8", SLURM_PROCID="0")
    assert "none: this is one rank" in found["launcher"]["finding"]
    assert found["Slurm"]["status"] == "problem"


def test_a_database_is_asked_on_request(launch, tmp_path):
    from pymongo.uri_parser import parse_uri

    SecantusDBServer = pytest.importorskip("secantus").SecantusDBServer  # noqa: N806
    with SecantusDBServer(storage_path=str(tmp_path)) as server:
        host, port = parse_uri(server.uri)["nodelist"][0]
        found = doctor(launch, "--mongo", f"{host}:{port}:runs")["MongoDB"]
    assert (found["status"], found["finding"]) == ("ok", f"{host}:{port}/runs answers; 0 runs are recorded there")
    gone = doctor(launch, "--mongo", f"{host}:{port}:runs")["MongoDB"]
    assert gone["status"] == "problem"
    assert f"no MongoDB answers at {host}:{port}" in gone["finding"]

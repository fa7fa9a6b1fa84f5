"""The job scripts on a real Slurm of four nodes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from cluster import SLEEPY, TWO_NODES, Hosts, Job, Slurm, metrics, run, shell_script, until

pytestmark = [pytest.mark.slurm, pytest.mark.launches]

# To be quick, leave behind what this environment does not need either.
UNUSED = "torch* functorch sympy networkx mypy* *mypyc* pip pybullet* matplotlib* pygame* Box2D* PIL* mujoco* imageio* "
UNUSED += "ray* onnx* fontTools* hypothesis* pygments* contourpy* kiwisolver*"


@pytest.fixture(scope="module", autouse=True)
def long(slurm: Slurm) -> Job:
    """A job that is looked at last, because it meets its limit of three minutes, of which Slurm tells it.

    Slurm looks every half a minute: it tells when 60 to 90 s are left, and so leaves time for an end in order.
    """
    return slurm.sbatch(
        *TWO_NODES,
        "--nodelist=h1,h2",  # which no test cuts off
        "--time=3",
        "--signal=B:USR1@60",
        "slurm/train.sbatch",
        "-F",
        "long",
        "with",
        *SLEEPY,
        "env_config.seconds=0.05",
        "niters=30",  # two minutes and a half at least
        "max_walltime=None",  # nothing but Slurm's signal ends it
    )


@pytest.fixture(scope="module")
def undisturbed(slurm: Slurm) -> Job:
    """A run that nothing happens to."""
    return slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "-F", "undisturbed", "with", *SLEEPY, "niters=45")


def test_requeued_at_the_time_limit_until_complete(slurm: Slurm, undisturbed: Job):
    unheard = "--signal=B:URG@1"  # what Slurm tells half a minute before is another test's
    command = ["slurm/train.sbatch", "-F", "limited", "with", *SLEEPY, "niters=45"]
    job = slurm.sbatch(*TWO_NODES, "--time=1", unheard, *command).ends()
    assert int(job.field("Restarts")) >= 1
    assert job.log.count("generation would not be over within max_walltime") == int(job.field("Restarts"))
    undisturbed.ends()
    assert undisturbed.field("Restarts") == "0"
    assert job.completed["state_digest"] == undisturbed.completed["state_digest"]
    runs = sorted((slurm.project / "limited").glob("[0-9]*"), key=lambda folder: int(folder.name))
    recorded = [metrics(run) for run in runs]
    # On a slow machine an attempt may end before its first generation does.
    generations = [generation for found in recorded if found for generation in found["generation"]["steps"]]
    assert generations == list(range(1, 46)), "no finished work is repeated"


def test_a_complete_run_is_not_started_again(slurm: Slurm, undisturbed: Job):
    undisturbed.ends()
    records = os.listdir(slurm.project / "undisturbed")
    again = slurm.sbatch(
        *TWO_NODES, "slurm/train.sbatch", "-F", "undisturbed", "with", *SLEEPY, "niters=45",
        CHECKPOINT=f"checkpoints/job-{undisturbed.number}",
    ).ends()  # fmt: skip
    assert "complete already" in again.log
    assert os.listdir(slurm.project / "undisturbed") == records


def test_a_complete_run_with_other_arguments_is_another_run(slurm: Slurm, undisturbed: Job):
    undisturbed.ends()
    command = ["slurm/train.sbatch", "-F", "further", "with", *SLEEPY, "niters=46"]
    shutil.copytree(slurm.project / f"checkpoints/job-{undisturbed.number}", slurm.project / "further-checkpoints")
    for _ in range(2):
        bad = slurm.sbatch(*TWO_NODES, *command, "popsize=5", CHECKPOINT="further-checkpoints").ends("FAILED")
        assert "before it made progress" in bad.log
    job = slurm.sbatch(*TWO_NODES, *command, CHECKPOINT="further-checkpoints").ends()
    assert re.search("going on from further-checkpoints/.*: generation 45 of run", job.log)
    assert json.loads((slurm.project / "further-checkpoints/completed.json").read_text())["generation"] == 46


def test_checkpoints_are_one_jobs_at_a_time(slurm: Slurm):
    command = ["slurm/train.sbatch", "-F", "my results", "with", *SLEEPY, "niters=500", "checkpoint=my checkpoints/one"]
    job = slurm.sbatch(*TWO_NODES, *command).says("generation=1 ")
    second = slurm.sbatch(*TWO_NODES, *command).ends("FAILED")
    assert f"job {job.number} is running with the checkpoints in my checkpoints/one" in second.log
    job.cancel()
    slurm.sbatch(*TWO_NODES, *command).says("going on from my checkpoints/one").cancel()


@pytest.mark.parametrize(
    ("setting", "variables", "message"),
    [
        ("resume=checkpoints/job-1", {}, "expected no resume="),
        ("seed=1", {"MAX_RETRIES": "many"}, "expected numbers in MAX_RETRIES and RESERVE, got 'many'"),
    ],
)
def test_what_would_go_on_for_ever_is_refused(slurm: Slurm, setting, variables, message):
    command = ["slurm/train.sbatch", "with", *SLEEPY, "niters=1", setting]
    job = slurm.sbatch(*TWO_NODES, *command, **variables).ends("FAILED")
    assert message in job.log


def test_an_agent_is_evaluated_by_all_ranks(slurm: Slurm, undisturbed: Job):
    undisturbed.ends()
    arguments = ["undisturbed/1/best.pickle", "--env", "sleepy:Sleepy", "--episodes", "100", "--json"]
    job = slurm.sbatch("--nodes=4", "--ntasks-per-node=2", "slurm/enjoy.sbatch", *arguments).ends()
    assert "world of 8 ranks on 4 hosts" in job.log
    alone = run(sys.executable, "-m", "mpi_pgpe.enjoy", *arguments, cwd=slurm.project)
    assert json.loads(job.log.splitlines()[-1]) == json.loads(alone.splitlines()[-1])


def test_retries_have_a_limit_and_another_job_goes_on(slurm: Slurm):
    command = ["slurm/train.sbatch", "-F", "limit", "with", *SLEEPY]
    job = slurm.sbatch(*TWO_NODES, *command, "niters=1000", MAX_RETRIES="0").says("generation=3 ")
    slurm("scancel", "--batch", "--signal=USR1", job.number)
    job.ends("FAILED")
    assert job.field("ExitCode") == "75:0"
    assert f"CHECKPOINT=checkpoints/job-{job.number}" in job.log
    niters = int(re.findall(r"\bgeneration=(\d+) ", job.log)[-1]) + 10
    command.append(f"niters={niters}")
    rest = slurm.sbatch(*TWO_NODES, *command, CHECKPOINT=f"checkpoints/job-{job.number}").ends()
    assert "going on from" in rest.log
    assert job.completed["generation"] == niters


def test_what_cannot_work_is_not_tried_again(slurm: Slurm):
    job = slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "with", *SLEEPY, "popsize=5").ends("FAILED")
    assert "popsize: expected an even number" in job.log
    assert "before it made progress" in job.log
    assert job.field("Restarts") == "0"


def test_an_end_without_the_mark_of_completion_is_no_success(slurm: Slurm, tmp_path: Path):
    """Whatever mpiexec says."""
    launcher = shell_script(tmp_path / "mpi", 'case "$*" in *mpi_pgpe.train*) exit 0 ;; esac\nexec mpiexec "$@"')
    job = slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "with", *SLEEPY, LAUNCHER=launcher).ends("FAILED")
    assert "the run ended (exit code 0, messages above) before it made progress" in job.log


def test_a_cancelled_job_stays_cancelled(slurm: Slurm):
    job = slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "-F", "cancelled", "with", *SLEEPY).says("generation=2 ")
    job.cancel()
    assert job.field("Restarts") == "0"


@pytest.fixture(scope="module")
def thirty_generations(slurm: Slurm) -> Job:
    """A run that loses no node."""
    return slurm.sbatch(
        *TWO_NODES, "--nodelist=h1,h2", "slurm/train.sbatch", "-F", "kept", "with", *SLEEPY, "niters=30"
    )


@pytest.mark.parametrize("lost", ["h4", "h3"])
def test_a_lost_node(slurm: Slurm, hosts: Hosts, thirty_generations: Job, tmp_path: Path, lost):
    """The job script is on h3; if it is lost, too, Slurm itself requeues the job."""
    command = ["slurm/train.sbatch", "-F", f"lost-{lost}", "with", *SLEEPY, "niters=30"]
    hurry = tmp_path / "hurry"
    job = slurm.sbatch(*TWO_NODES, "--nodelist=h3,h4", *command, SLOW_UNTIL=str(hurry)).says("generation=5 ")

    def state() -> str:
        return slurm("sinfo", "-h", "-n", lost, "-o", "%t").strip()

    try:
        hosts("cut", lost)
        if lost == "h4":
            job.says("has lost host h4 with ranks").says("requeued (1 of at most 20 times)")
        until(lambda: "down" in state() and job.field("Restarts") == "1", "Slurm to notice that a node is down")
        hurry.touch()
        slurm("scontrol", "update", f"JobId={job.number}", "ReqNodeList=")
        job.ends()
    finally:
        hosts("restore", lost)
    assert "going on from" in job.log
    assert job.completed["state_digest"] == thirty_generations.ends().completed["state_digest"]
    slurm("scontrol", "reconfigure")  # else Slurm asks a node that was down after minutes only
    until(lambda: state() in ("idle", "mix"), f"{lost} to be back")
    until(lambda: not hosts.processes("h3", "slurm_script"), "the end of the job script that was cut off")
    until(lambda: not hosts.processes("h3", "srun"), "the end of mpiexec's srun that was cut off")
    assert (job.field("JobState"), job.field("Restarts")) == ("COMPLETED", "1"), "the job script requeues it no more"


@pytest.mark.parametrize(
    ("name", "max_speed", "hidden"), [("humanoid", 0.015, 0), ("walker2d", 0.015, 0), ("humanoid_bullet", 0.15, 1)]
)
def test_the_papers_runs(slurm: Slurm, name, max_speed, hidden):
    small = [setting for setting in SLEEPY if not setting.startswith("num_hidden")]
    job = slurm.sbatch(
        "--nodes=4", "--ntasks-per-node=1", "--ntasks=4", f"slurm/{name}.sbatch", "-F", name, "with", *small,
        "niters=2", "re_eval_env_name=None", "hidden_size=4",
    ).ends()  # fmt: skip
    assert "world of 4 ranks on 4 hosts" in job.log
    config = json.loads((slurm.project / name / "1/config.json").read_text())
    assert (config["max_speed"], config["num_hidden"]) == (max_speed, hidden)
    assert config["niters"] == 2


def seeds(slurm: Slurm, array: str, hurry: Path, *arguments: str) -> tuple[list[Job], Job]:
    """An array over seeds, slow until there is a file: its jobs, in order, and the one that plots them."""
    settings = [setting for setting in SLEEPY if not setting.startswith("seed=")]
    size = [f"--array={array}", "--nodes=2", "--ntasks-per-node=1", "--ntasks=2"]
    command = ["slurm/seeds.sbatch", *arguments, "with", *settings, "niters=20", "save_interval=10"]
    number = slurm.sbatch(*size, *command, SLOW_UNTIL=str(hurry)).number
    first, last = map(int, array.split("-"))
    members = [Job(slurm, f"{number}_{seed}") for seed in range(first, last + 1)]
    submitted = r"to draw the curves: Submitted batch job (\d+)"
    until(lambda: re.search(submitted, members[0].log), "the job that plots")
    return members, Job(slurm, re.findall(submitted, members[0].log)[0])


def test_an_array_of_seeds_and_their_plot(slurm: Slurm, tmp_path: Path):
    members, plot = seeds(slurm, "2-4", tmp_path / "hurry", "-F", "seeds")
    members[1].says("generation=2 ")
    slurm("scancel", "--batch", "--signal=USR1", members[1].number)
    members[1].says("; requeued (1 of")
    (tmp_path / "hurry").touch()
    for member in members:
        member.ends()
    assert members[1].field("Restarts") == "1"
    plot.ends()
    assert "all runs complete" in plot.log
    for seed, member in zip((2, 3, 4), members, strict=True):
        folder = slurm.project / f"seeds/seed-{seed}/1"
        assert json.loads((folder / "config.json").read_text())["seed"] == seed
        assert f"seed-{seed}" in member.log
    assert (slurm.project / "seeds/seeds.png").read_bytes().startswith(b"\x89PNG")
    records = sorted(map(str, (slurm.project / "seeds").glob("seed-*/[0-9]*")))
    again = run(sys.executable, "-m", "mpi_pgpe.plot", *records, "-o", "again.png", "--json", cwd=slurm.project)
    (curve,) = json.loads(again.splitlines()[-1])["curves"]
    assert len(curve["runs"]) == 3, "the seeds are gathered into one curve"
    assert curve["pop_mean"]["points"] == 20


def test_a_seed_that_fails_is_told_and_the_others_are_drawn(slurm: Slurm, tmp_path: Path):
    (good, bad), plot = seeds(slurm, "1-2", tmp_path / "hurry", "-F", "some seeds")
    bad.says("generation=2 ")
    bad.cancel()
    (tmp_path / "hurry").touch()
    good.ends()
    plot.ends("FAILED")
    assert "not complete: some seeds/seed-2" in plot.log
    assert (slurm.project / "some seeds/seeds.png").read_bytes().startswith(b"\x89PNG")


def test_an_array_refuses_one_seed_for_all(slurm: Slurm):
    job = slurm.sbatch("--array=1", *TWO_NODES, "slurm/seeds.sbatch", "-F", "one", "with", "seed=3")
    log = slurm.project / f"slurm-{job.number}_1.out"
    until(lambda: log.exists() and "expected no seed=" in log.read_text(), "the refusal")


def test_the_environment_is_staged_on_every_node(slurm: Slurm, tmp_path: Path):
    disk = slurm.folder / "nodetmp"  # is another folder on each node
    # Other attempts of the job: one that was lost before, and one that began while this one's node was lost.
    before, after = (f"mkdir -p {disk}/mpi_pgpe-$SLURM_JOB_ID-{attempt}" for attempt in (7, 8))
    script = slurm.edited(r"^# (\. slurm/stage_env\.sh).*$", rf"{before}\n\1\n{after}", tmp_path)
    job = slurm.sbatch(
        *TWO_NODES, script, "-F", "staged", "with", *SLEEPY, "niters=2",
        f"env_config.diary={tmp_path}", STAGE_DIR=str(disk), STAGE_WITHOUT=UNUSED,
    ).ends()  # fmt: skip
    staged = disk / f"mpi_pgpe-{job.number}-0"
    entries = [path.read_text().split() for path in tmp_path.glob("h*-*")]
    assert len({host for host, *_ in entries}) == 2
    assert {(prefix, package) for _, prefix, package, _ in entries} == {(str(staged), str(staged / "mpi_pgpe"))}
    left = [path.name for path in (slurm.folder / "spool").glob("h*-tmp/mpi_pgpe-*")]
    assert left == [f"mpi_pgpe-{job.number}-8"], "it is removed at the end, and the lost attempt's before"


def test_slurm_tells_of_the_time_limit(long: Job):
    long.ends()
    assert "the time limit is near" in long.log
    assert "got SIGUSR1" in long.log
    assert "going on from" in long.log
    assert long.completed["generation"] == 30

"""How the job scripts start the ranks of a job, and what `doctor` says of it, on a real Slurm."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from cluster import ENVIRONMENT, SLEEPY, TWO_NODES, Slurm, run, shell_script

pytestmark = [pytest.mark.slurm, pytest.mark.launches]


def test_a_launcher_of_another_mpi_is_found_out(slurm: Slurm):
    job = slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "with", *SLEEPY, LAUNCHER="srun --mpi=none").ends("FAILED")
    assert "expected a launcher that makes one world of 4 ranks" in job.log
    assert re.search(r"4 world of 1 ranks on 1 hosts", job.log)


def test_a_launcher_of_many_words_is_cut_short(slurm: Slurm, tmp_path: Path):
    launcher = shell_script(tmp_path / "mpi", "seq 200000")
    job = slurm.sbatch(*TWO_NODES, "slurm/train.sbatch", "with", *SLEEPY, LAUNCHER=launcher).ends("FAILED")
    assert "expected a launcher that makes one world of 4 ranks" in job.log
    assert len(job.log.splitlines()) < 10


def test_without_an_mpiexec_srun_is_the_launcher(slurm: Slurm, tmp_path: Path):
    """A rank is killed, too, and but for the imports, and how long it sleeps, nothing is exported to the job."""
    shell_script(tmp_path / "python", f'exec {sys.executable} "$@"')
    script = slurm.edited(r"^\. \.venv/bin/activate$", f"PATH={tmp_path}:/usr/bin:/bin", tmp_path)
    hurry = tmp_path / "hurry"
    export = f"--export=PYTHONPATH={ENVIRONMENT['PYTHONPATH']},SLOW_UNTIL={hurry}"
    job = slurm.sbatch(*TWO_NODES, export, script, "-F", "killed", "with", *SLEEPY, "niters=30")
    job.says("generation=3 ")
    assert "world of 4 ranks on 2 hosts, by srun --mpi=pmi2" in job.log
    pids = run("pgrep", "-f", f"bin/python -m mpi_pgpe.train -F killed .*/job-{job.number} ").split()
    assert len(pids) == 4
    os.kill(int(pids[-1]), signal.SIGKILL)
    job.says("ended in disorder (exit code 137), but it had made progress; requeued")
    hurry.touch()
    job.ends()
    assert "going on from" in job.log


def test_ranks_on_too_few_nodes_are_a_last_resort_and_told(slurm: Slurm, tmp_path: Path):
    programs = {"python": f"exec {sys.executable}", "mpiexec": f"exec {Path(sys.executable).parent}/mpiexec -hosts h1"}
    for name, program in programs.items():
        shell_script(tmp_path / name, f'{program} "$@"')
    script = slurm.edited(r"^\. \.venv/bin/activate$", f"PATH={tmp_path}:/usr/bin:/bin", tmp_path)
    command = ["--nodelist=h1,h2", *TWO_NODES, script, "with", *SLEEPY, "niters=1"]
    job = slurm.sbatch(*command).ends()
    assert "world of 4 ranks on 2 hosts, by srun --mpi=pmi2" in job.log
    assert "warning: the job has" not in job.log
    job = slurm.sbatch(*command, LAUNCHER="mpiexec").ends()
    assert "world of 4 ranks on 1 hosts, by mpiexec" in job.log
    assert "warning: the job has 2 nodes" in job.log


def test_doctor_in_a_job(slurm: Slurm, tmp_path: Path):
    doctor = "python -m mpi_pgpe.doctor | grep -E '^\\w+ +(launcher|ranks|Slurm):'"
    (tmp_path / "doctor.sbatch").write_text(
        "#!/bin/bash\n#SBATCH --output=slurm-%j.out\n. .venv/bin/activate\n"
        f"for start in '' 'mpiexec -n 4' 'mpiexec -n 2' 'srun --mpi=pmi2' 'srun --mpi=none'; do\n"
        f'echo "== $start"; $start {doctor}\ndone\n'
    )
    job = slurm.sbatch(*TWO_NODES, tmp_path / "doctor.sbatch").ends()
    alone, mpiexec, two, srun, wrong = (part.splitlines()[1:] for part in job.log.split("== ")[1:])
    launched = ["ok launcher: it promised 4 ranks, and MPI sees them all", f"ok Slurm: job {job.number}, 4 tasks"]
    for found in (mpiexec, srun):
        assert [re.sub(" +", " ", line) for line in found if "ranks:" not in line] == launched
        assert any("4 on 2 hosts; here 2 on " in line for line in found)
    few = f"problem  Slurm: job {job.number} has 4 tasks, but MPI sees "
    assert f"{few}2" in two
    assert f"{few}1" in alone
    assert "note     launcher: none: this is one rank" in alone
    assert f"{few}1" in wrong
    assert any(line.startswith("problem  launcher: it promised 4 ranks, but MPI sees a world of 1") for line in wrong)

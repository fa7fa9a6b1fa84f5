"""Several hosts, and a Slurm over them, on this one machine: network namespaces joined by a bridge of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from places import ROOT, python_path

HERE = Path(__file__).parent
NODES = 4
ENVIRONMENT = os.environ | {
    "NETNS_PREFIX": f"pgpe-{os.getpid()}-",  # so that two runs of these tests do not meet
    "NETNS_NET": "10.78.0",
    "PYTHONPATH": python_path(HERE),  # for sleepy.py
    "UCX_TLS": "tcp,self",  # else MPICH would use the memory that the hosts share
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}

# A run that sleeps in its environment, by default about 0.9 s a generation on 4 ranks.
SLEEPY = ["env_name=sleepy:Sleepy", "popsize=20", "popsize_max=20", "num_interactions=None", "num_hidden=0", "seed=1",
          "checkpoint_seconds=0"]  # fmt: skip
TWO_NODES = ["--nodes=2", "--ntasks-per-node=2"]  # for sbatch


def run(*command: str | Path, **keywords: Any) -> str:
    """Standard output of a command that ends well."""
    keywords = {"env": ENVIRONMENT, "timeout": 600} | keywords
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def until(true: Callable[[], Any], what: object, seconds: float = 600) -> Any:
    """Wait until `true` returns something true, and return it; `what` is printed if that is not in time."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)
    return found


def shell_script(path: Path, text: str) -> str:
    """Write a program; returns its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def metrics(run_folder: Path) -> dict[str, Any]:
    """What sacred recorded of a run: name -> {"steps": ..., "values": ...}."""
    return json.loads((run_folder / "metrics.json").read_text())


class Hosts:
    """Hosts h1 to h4, each with a network of its own."""

    def __call__(self, *command: str) -> str:
        """Run a command of netns-cluster.sh."""
        return run(HERE / "netns-cluster.sh", *command)

    def mpiexec(self, ranks: dict[str, int], *program: str) -> list[str]:
        """The command that runs Python on so many ranks of each host; it needs ENVIRONMENT."""
        hosts = ",".join(f"{host}:{n}" for host, n in ranks.items())
        head = [str(HERE / "netns-cluster.sh"), "exec", next(iter(ranks)), "mpiexec"]
        launcher = ["-launcher", "ssh", "-launcher-exec", str(HERE / "netns-ssh")]
        return [*head, *launcher, "-hosts", hosts, "-n", str(sum(ranks.values())), sys.executable, *program]

    def bytes(self, host: str) -> int:
        """Bytes that the host has sent and received so far."""
        found = re.search(rf"^{host} sent (\d+) received (\d+)$", self("bytes"), re.MULTILINE)
        assert found
        return int(found[1]) + int(found[2])

    def processes(self, host: str, what: str) -> list[int]:
        """Those on the host with these words in their command."""
        found = []
        for pid in run("ip", "netns", "pids", f"{ENVIRONMENT['NETNS_PREFIX']}{host}").split():
            with contextlib.suppress(OSError):  # it may have ended
                if what in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                    found.append(int(pid))
        return found


class Slurm:
    """A real Slurm whose nodes are the hosts.

    Attributes:
        folder: for its own files.
        project: the folder that jobs are submitted in: `slurm` and `.venv` are there.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder, self.project = folder, project
        self._environment = ENVIRONMENT | {
            "SLURM_FIXTURE": str(folder),
            "SLURM_NETNS": str(HERE / "netns-cluster.sh"),
            "SLURM_PORT": "17100",
            "SLURM_NODES": str(NODES),
        }
        (project / "slurm").symlink_to(ROOT / "slurm")
        (project / ".venv").symlink_to(sys.prefix)

    def up(self) -> None:
        """Start it."""
        run(HERE / "slurm-up.sh", env=self._environment)

    def down(self) -> None:
        """Stop it."""
        run(HERE / "slurm-down.sh", "--purge", env=self._environment)

    def __call__(self, *command: str, **variables: str) -> str:
        """Run one of Slurm's commands."""
        return run(self.folder / "run", *command, env=self._environment | variables, cwd=self.project)

    def edited(self, pattern: str, replacement: str, folder: Path) -> Path:
        """train.sbatch in the folder, with another line in it."""
        script = (self.project / "slurm/train.sbatch").read_text()
        changed = re.sub(pattern, replacement, script, flags=re.MULTILINE)
        assert changed != script
        (folder / "train.sbatch").write_text(changed)
        return folder / "train.sbatch"

    def sbatch(self, *arguments: str | Path, **variables: str) -> Job:
        """Submit a job script. Without --signal it is told of its time limit in the last minute only."""
        options = ["--parsable", "--signal=B:USR1@1"]
        return Job(self, self("sbatch", *options, *map(str, arguments), **variables).strip())


class Job:
    """A job of a Slurm."""

    def __init__(self, slurm: Slurm, number: str) -> None:
        self.slurm, self.number = slurm, number

    @property
    def log(self) -> str:
        """What it wrote."""
        path = self.slurm.project / f"slurm-{self.number}.out"
        return path.read_text() if path.exists() else ""

    def field(self, name: str) -> str:
        """A field of `scontrol show job`."""
        found = re.search(rf"\b{name}=(\S+)", self.slurm("scontrol", "show", "job", self.number))
        assert found
        return found[1]

    def says(self, text: str) -> Job:
        """Wait for a text in the log."""
        until(lambda: text in self.log or self._ended(), self)
        assert text in self.log, str(self)
        return self

    def ends(self, state: str = "COMPLETED") -> Job:
        """Wait for its end; a requeued job starts again without the two minutes that Slurm waits."""
        until(self._ended, self)
        assert self.field("JobState") == state, str(self)
        return self

    def cancel(self) -> None:
        """End it."""
        self.slurm("scancel", self.number)
        self.ends("CANCELLED")

    def __str__(self) -> str:
        """All that is known of it."""
        return f"{self.slurm('scontrol', 'show', 'job', self.number)}\n{self.slurm('squeue')}\n{self.log}"

    def _ended(self) -> bool:
        state = self.field("JobState")
        if state == "PENDING" and self.field("Reason") == "BeginTime":
            time.sleep(2)  # a node refuses an attempt that begins in the second in which it ended the last one
            try:
                self.slurm("scontrol", "update", f"JobId={self.number}", "StartTime=now")
            except AssertionError:  # the two minutes are over at this moment, and it has begun
                assert self.field("JobState") != "PENDING" or self.field("Reason") != "BeginTime"
        # Between two attempts Slurm may show the job as cancelled.
        if self.log.count("; requeued (") > int(self.field("Restarts")):
            return False
        return state not in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED")

    @property
    def completed(self) -> dict[str, Any]:
        """What the run's mark of completion says."""
        return json.loads((self.slurm.project / f"checkpoints/job-{self.number}/completed.json").read_text())

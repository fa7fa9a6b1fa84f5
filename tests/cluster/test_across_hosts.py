"""mpiexec across hosts, without Slurm: what crosses their links, and what happens when a link is slow or cut."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cluster import ENVIRONMENT, SLEEPY, Hosts, metrics, run, until

pytestmark = [pytest.mark.slurm, pytest.mark.launches]

TWO_EACH = {"h1": 2, "h2": 2}
TRAIN = ["-m", "mpi_pgpe.train", "-l", "ERROR", "-F", "results", "with", *SLEEPY]


def final(folder: Path) -> dict[str, float]:
    """The last recorded value of each metric of a run."""
    return {name: metric["values"][-1] for name, metric in metrics(folder / "results/1").items()}


# The paper's runs: observations, actions, settings that set the number of parameters, smallest population; and how
# many generations to look at, so that the start, which is never twice the same, does not count.
PAPER = {
    "humanoid": (376, 17, "num_hidden=0", 6409, 200, 20),
    "walker2d": (17, 6, "num_hidden=0", 108, 100, 40),
    "humanoid_bullet": (44, 17, "num_hidden=1", 3985, 10000, 2),
}


@pytest.mark.parametrize("name", PAPER)
def test_bytes_between_hosts(hosts: Hosts, tmp_path, name):
    observations, actions, hidden, parameters, popsize, more = PAPER[name]
    size = [f"env_config.observations={observations}", f"env_config.actions={actions}", hidden, f"popsize={popsize}"]
    quick = ["env_config.steps=1", "env_config.seconds=0.0", f"popsize_max={popsize}", "re_eval_interval=1000"]

    def crossed(generations: int) -> tuple[int, int]:
        """Bytes over h2's link, and episodes there."""
        before = hosts.bytes("h2")
        folder = tmp_path / str(generations)
        folder.mkdir()
        program = [*TRAIN, *size, *quick, f"niters={generations}", "save_interval=1000", f"env_config.diary={folder}"]
        run(*hosts.mpiexec(TWO_EACH, *program), cwd=folder)
        assert f"{parameters} parameters" in (folder / "results/1/cout.txt").read_text()
        return hosts.bytes("h2") - before, sum(int(path.read_text().split()[-1]) for path in folder.glob("h2-*"))

    measured, solutions = ((long - short) / more for long, short in zip(crossed(1 + more), crossed(1), strict=True))
    # The center and stdev of the distribution, the moments of the observations, and two sums, each once over the link
    # and once to the second rank there; scalars and a task number for each of h2's directions; with their packets.
    vectors = 2 * (8 * parameters + 16 * parameters + 100 * observations)
    scalars = solutions / 2 * (8 + 64 + 200)
    # A vector of float32 to h2 for each of its solutions, or for half of all, if the machine was too busy for so many.
    full = max(solutions, popsize / 2) * parameters * 4
    print(f"{name}: {measured:.0f} bytes a generation, {solutions:.0f} solutions; full vectors {full:.0f}")
    assert measured < 1.25 * (vectors + scalars)
    assert measured < full


def test_a_slow_link_is_enough_for_walker2d(hosts: Hosts, tmp_path):
    observations, actions, hidden, _, popsize, _ = PAPER["walker2d"]
    size = [f"env_config.observations={observations}", f"env_config.actions={actions}", hidden, f"popsize={popsize}"]
    program = [*TRAIN, *size, f"popsize_max={popsize}", "niters=8", "env_config.seconds=0.005"]
    digests = set()

    def quickest(rate: str, attempt: int) -> float:
        """Seconds of a run's quickest generation."""
        hosts("rate", "h2", rate)
        folder = tmp_path / f"{rate}-{attempt}"
        folder.mkdir()
        run(*hosts.mpiexec(TWO_EACH, *program), cwd=folder)
        digests.add(final(folder)["state_digest"])
        return float(min(np.diff(metrics(folder / "results/1")["elapsed"]["values"])))

    try:
        for attempt in range(3):  # the machine has other work, too; a link that is too slow fails each time
            slow, free = quickest("10mbit", attempt), quickest("off", attempt)
            print(f"{slow=} {free=}")
            if slow < 1.25 * free:
                break
        else:
            pytest.fail("the slow link holds up the run")
    finally:
        hosts("rate", "h2", "off")
    assert len(digests) == 1


def start(hosts: Hosts, folder: Path, *settings: str) -> subprocess.Popen[str]:
    """A run on h1 and h2 that has got as far as generation 3; slow until there is a file `hurry`."""
    program, environment = hosts.mpiexec(TWO_EACH, *TRAIN, *settings), ENVIRONMENT | {"SLOW_UNTIL": f"{folder}/hurry"}
    process = subprocess.Popen(
        program, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = folder / "results/1/cout.txt"
    until(lambda: output.exists() and "generation=3 " in output.read_text(), "generation 3")
    return process


def test_a_cut_of_four_seconds_is_survived(hosts: Hosts, tmp_path):
    for name in ("cut", "whole"):
        (tmp_path / name).mkdir()
    process = start(hosts, tmp_path / "cut", "niters=25")
    hosts("cut", "h2")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(4)
    hosts("restore", "h2")
    (tmp_path / "cut/hurry").touch()
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    run(*hosts.mpiexec(TWO_EACH, *TRAIN, "niters=25"), cwd=tmp_path / "whole")
    assert final(tmp_path / "cut")["state_digest"] == final(tmp_path / "whole")["state_digest"]


def lose_h2(hosts: Hosts, process: subprocess.Popen[str], begun: Callable[[], object] = lambda: True) -> None:
    """Cut h2 off for good, once the program has begun: it ends on both sides, and says what is lost."""
    try:
        until(begun, "the program")
        hosts("cut", "h2")
        said = "".join(text or "" for text in process.communicate(timeout=300))
        assert process.returncode != 0
        assert "h1 has lost host h2 with ranks 2, 3" in said
        until(lambda: not hosts.processes("h2", "-m mpi_pgpe."), "the end of the ranks on the lost host")
    finally:
        process.kill()
        hosts("restore", "h2")


def test_a_host_lost_for_good_ends_the_run_with_a_message(hosts: Hosts, tmp_path):
    lose_h2(hosts, start(hosts, tmp_path, "niters=1000"))
    assert not (tmp_path / "results/1/completed.json").exists()


def test_a_host_lost_for_good_ends_an_evaluation(hosts: Hosts, tmp_path):
    run(*hosts.mpiexec({"h1": 1}, *TRAIN, "niters=1", f"env_config.diary={tmp_path}"), cwd=tmp_path)
    program = ["-m", "mpi_pgpe.enjoy", "results/1/best.pickle", "--env", "sleepy:Sleepy", "--episodes", "100000"]
    process = subprocess.Popen(
        hosts.mpiexec(TWO_EACH, *program), cwd=tmp_path, env=ENVIRONMENT, text=True, stderr=subprocess.PIPE
    )
    lose_h2(hosts, process, begun=lambda: len(list(tmp_path.glob("h2-*"))) == 2)  # both of its ranks evaluate


def test_hosts_of_different_size_are_equally_busy(hosts: Hosts, tmp_path):
    ranks = {"h1": 1, "h2": 5}
    program = [
        *TRAIN,
        "niters=12",  # so that it counts for little when each rank has loaded the environment
        "popsize=240",
        "popsize_max=240",
        "re_eval_interval=100",
        f"env_config.diary={tmp_path}",
    ]
    run(*hosts.mpiexec(ranks, *program), cwd=tmp_path)
    entries = [path.read_text().split() for path in tmp_path.glob("h*-*")]
    assert Counter(host for host, *_ in entries) == ranks
    episodes = [int(count) for *_, count in entries]
    print(json.dumps(episodes))
    assert min(episodes) > 0.5 * max(episodes)  # as many for each host would be a fifth

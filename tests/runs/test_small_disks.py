"""Real file systems without room, of bytes or files: one line at a run's start, and no end of one that goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import ROOT, python_path
from programs import run_program, wait_until

from mpi_pgpe.runs.checksums import damage
from mpi_pgpe.runs.run_folder import read_metric_lines

pytestmark = [
    pytest.mark.launches,
    pytest.mark.serial,
    pytest.mark.skipif(os.geteuid() != 0, reason="root alone can mount a file system; CI is root"),
]

SETTINGS = ["fast", "env_name=CartPole-v1", "popsize=4", "popsize_max=4", "num_hidden=0", "seed=1"]
SETTINGS += ["re_eval_num_episodes=2", "re_eval_interval=1", "checkpoint_seconds=0"]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system in memory, given its size."""
    place = tmp_path / "small"
    place.mkdir()

    def mounted(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
        return place

    yield mounted
    subprocess.run(["umount", "--lazy", place], check=False)


@pytest.mark.parametrize("options", ["size=4k,nr_inodes=1000", "size=64k,nr_inodes=1000", "size=9m,nr_inodes=2"])
def test_a_run_that_has_no_room_at_its_start_is_refused_in_one_line(mount: Callable[[str], Path], options: str) -> None:
    refused(mount(options))


@pytest.mark.slow
@pytest.mark.parametrize("inodes", [3, 4, 5, 6, 7, 9, 12])
def test_wherever_the_files_of_a_start_run_out(mount: Callable[[str], Path], inodes: int) -> None:
    refused(mount(f"size=9m,nr_inodes={inodes}"))


def refused(place: Path) -> None:
    done = run_program("-m", "mpi_pgpe.train", "-F", place / "results", "with", *SETTINGS, "niters=2", cwd=ROOT)
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("train: ")
    assert "No space left on device" in done.stderr
    assert not list(place.glob("results/*/run.json"))


def fill(place: Path, with_files: bool) -> list[Path]:
    """Take all the room that there is; returns the files that do."""
    made = []
    with contextlib.suppress(OSError):
        for number in range(100_000):
            path = place / f"filler{number}"
            path.touch()
            made.append(path)
            if not with_files:
                with path.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(512))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("with_files", [False, True])
def test_a_run_goes_on_without_room_and_loses_nothing(
    mount: Callable[[str], Path], tmp_path: Path, with_files: bool
) -> None:
    place = mount("size=9m,nr_inodes=1000")
    run, told = place / "results/1", tmp_path / "told"
    command = [sys.executable, "-m", "mpi_pgpe.train", "-F", str(place / "results"), "with", *SETTINGS]
    environ = os.environ | {"PYTHONPATH": python_path()}
    with (
        told.open("wb") as errors,
        subprocess.Popen([*command, "niters=100000"], stdout=errors, stderr=errors, cwd=ROOT, env=environ) as process,
    ):
        try:
            lines = run / "metrics.jsonl"
            wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 2)
            fillers = fill(place, with_files)
            wait_until(lambda: b"No space left on device" in told.read_bytes() or process.poll() is not None)
            generations = told.read_bytes().count(b"\ngeneration=")
            wait_until(
                lambda: told.read_bytes().count(b"\ngeneration=") > generations + 5 or process.poll() is not None
            )
            for path in fillers:
                path.unlink()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 75, told.read_text()
    said = told.read_text()
    assert said.count("cannot write to") <= 1  # of checkpoints
    assert said.count("cannot be written to: ") <= 1  # of the record
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert json.loads((run / "run.json").read_text())["status"] == "INTERRUPTED"
    steps = [line["step"] for line, _ in read_metric_lines(run / "metrics.jsonl")]
    assert steps == list(range(1, len(steps) + 1))
    assert damage(run) == []

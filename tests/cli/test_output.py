"""What cannot be printed ends nothing: a full disk, a reader that goes away, closed streams, a small encoding."""

from __future__ import annotations

import io
import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from places import HELPERS, python_path
from programs import mpiexec

from mpi_pgpe.base import output
from mpi_pgpe.parallel import launcher_output

SMALL = (
    "niters=2 popsize=4 popsize_max=None num_interactions=None num_hidden=0 re_eval_num_episodes=2 re_eval_interval=1 "
    "seed=1 env_name=ending_envs:Prints"
)
MAY_NOT = "cannot be written to ({}): what is printed there is dropped"


def shell(folder: Path, where: str, ranks: int = 1, **environ: str) -> subprocess.CompletedProcess[str]:
    """Train, with its output going `where` a shell sends it; $CODE is the exit code, told on standard error."""
    launcher = f"{shlex.quote(mpiexec())} -n {ranks} " if ranks > 1 else ""
    train = f"{launcher}{shlex.quote(sys.executable)} -m mpi_pgpe.train -F results with {SMALL}"
    return subprocess.run(
        ["bash", "-c", where.format(train=train)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": python_path(HELPERS)} | environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def record(folder: Path) -> tuple[str, str]:
    """(status, what was printed) of the run."""
    run = folder / "results/1"
    return json.loads((run / "run.json").read_text())["status"], (run / "cout.txt").read_text()


CODE = "(exit ${PIPESTATUS[0]})"


@pytest.mark.launches
@pytest.mark.parametrize(
    ("where", "stream", "why"),
    [
        ("{train} > /dev/full", "standard output", "No space left on device"),
        ("{train} | head -n 1; " + CODE.replace("{", "{{").replace("}", "}}"), "standard output", "Broken pipe"),
        ("{train} >&-", "standard output", "it is closed"),
        ("{train} 2>&-", "standard error", "it is closed"),
    ],
)
def test_a_training_goes_on_and_its_record_tells_once(tmp_path, where, stream, why):
    done = shell(tmp_path, where)
    assert done.returncode == 0, done.stderr
    status, printed = record(tmp_path)
    assert status == "COMPLETED"
    assert printed.count(f"{stream} {MAY_NOT.format(why)}") == 1
    assert printed.count("made a step \u00e9") == 2 * 2 * (40 + 20)  # on both streams, in two generations
    assert "Traceback" not in done.stderr + printed


@pytest.mark.launches
@pytest.mark.parametrize(
    "where", ["{train} > /dev/full", "{train} | head -n 1; " + CODE.replace("{", "{{").replace("}", "}}")]
)
def test_under_mpiexec_too(tmp_path, where):
    done = shell(tmp_path, where, ranks=2)
    assert done.returncode == 0, done.stderr
    status, printed = record(tmp_path)
    assert status == "COMPLETED"
    assert printed.count("standard output cannot be written to") == 1


@pytest.mark.launches
def test_letters_that_the_encoding_lacks_are_escaped(tmp_path):
    done = shell(tmp_path, "{train}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "made a step \\xe9\n" in done.stdout
    assert record(tmp_path)[0] == "COMPLETED"


@pytest.mark.launches
@pytest.mark.parametrize(("where", "code"), [("> /dev/full", 1), ("| true; exit ${PIPESTATUS[0]}", 0)])
def test_a_command_whose_result_is_what_it_prints_says_that_it_is_lost(where, code):
    command = f"{shlex.quote(sys.executable)} -m mpi_pgpe.train print_config {where}"
    tool = f"{shlex.quote(sys.executable)} -m mpi_pgpe.compare -h {where}"
    done = subprocess.run(["bash", "-c", tool], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr == ("compare: what it found could not be printed: No space left on device\n" if code else "")
    assert (
        "Traceback" not in subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False).stderr
    )


PIPE = (
    "import os; from mpi_pgpe.base import output; from mpi_pgpe.parallel import launcher_output; "
    "output.protect(launcher_output.trouble_of_launcher); print(os.readlink('/proc/self/fd/1'))"
)


@pytest.mark.launches
@pytest.mark.parametrize("labels", [False, True])
def test_ranks_print_into_the_pipe_of_mpiexec_unless_it_is_to_label_what_they_print(tmp_path, labels):
    """Through mpiexec it would be a race: what is under way when the reader goes ends it, and all ranks."""
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(PIPE)}"
    lines = shell(tmp_path, f"{shlex.quote(mpiexec())}{' -l' * labels} -n 2 {program} | cat").stdout.split("\n")
    pipes = [line for line in lines if "pipe:" in line]
    assert len(pipes) == 2
    assert len(set(pipes)) == (2 if labels else 1)
    assert all(line.startswith("[") == labels for line in pipes)


@pytest.mark.launches
def test_ranks_print_where_mpiexec_writes_to_a_socket():
    """Which is opened by nobody but its owner: all of it goes through mpiexec, as a service manager has it."""
    reader, writer = socket.socketpair()
    with reader, writer, subprocess.Popen([mpiexec(), "-n", "2", sys.executable, "-c", PIPE], stdout=writer) as process:
        writer.close()
        assert process.wait(timeout=300) == 0
        assert b"pipe:" in reader.recv(10_000)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("words", "hands_on"),
    [
        (["mpiexec", "-n", "2", "python", "-m", "mpi_pgpe.train", "-l", "INFO"], True),
        (["mpiexec", "-n", "2", "mpi_pgpe", "train", "-l", "INFO"], True),
        (["/opt/python3/mpiexec", "-wdir", "/srv/python", "-l", "-n", "2", "python3.11", "x.py"], False),
        (["mpiexec", "-l", "python", "x.py"], False),
        (["mpiexec", "-prepend-rank", "-n", "2", "python", "x.py"], False),
        (["prterun", "--output", "tag", "-n", "2", "python", "x.py"], False),
        (["prterun", "--tag-output", "-n", "2", "python", "x.py"], False),
        (["mpiexec", "-outfile-pattern", "out.%r", "python", "x.py"], False),
        (["srun", "-o", "out.%t", "python", "x.py"], False),
    ],
)
def test_a_launcher_that_does_more_than_to_hand_output_on_is_known_by_its_options(words, hands_on):
    assert launcher_output.hands_on(words) is hands_on


@pytest.mark.serial
def test_a_full_disk_is_written_to_again_when_there_is_room(monkeypatch):
    monkeypatch.setattr(output, "_losses", {})
    heard: list[str] = []
    reader, writer = os.pipe()
    full: list[OSError | None] = [OSError(28, "No space left on device")]
    stream = io.TextIOWrapper(
        io.BufferedWriter(output.LossyFile(writer, "a log", lambda: full[0])), line_buffering=True
    )
    with output.listening(heard.append):
        print("lost", file=stream)
        print("lost", file=stream)
        full[0] = None
        print("kept", file=stream)
    assert os.read(reader, 100) == b"kept\n"
    assert len(heard) == 1
    late: list[str] = []
    with output.listening(late.append):  # who listens later hears of what was lost before
        assert late == heard
    os.close(reader)
    print("nobody reads", file=stream)  # from here on the descriptor leads to nowhere, for C libraries too
    assert os.write(writer, b"x") == 1
    os.close(writer)


@pytest.mark.launches
@pytest.mark.parametrize("own", [False, True])
def test_an_environment_that_closes_standard_output_does_not_silence_the_program(tmp_path, own):
    done = shell(tmp_path, f"{{train}} env_name=ending_envs:Closes env_config.own={own}")
    assert done.returncode == 0, done.stderr
    assert "generation=2" in done.stdout
    status, printed = record(tmp_path)
    assert status == "COMPLETED"
    assert "generation=2" in printed

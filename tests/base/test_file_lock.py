"""Locks between programs, and files that are read without waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mpi_pgpe.base.file_lock import try_lock
from mpi_pgpe.base.regular_file import read_regular

pytestmark = pytest.mark.serial

HOLDER = """
import os, sys, time
from mpi_pgpe.base.file_lock import try_lock
lock = try_lock(sys.argv[1])
begun, begins = os.pipe()
if os.fork() == 0:  # as an environment does that starts a server of its own
    os.close(1)
    os.write(begins, b".")
    time.sleep(600)
os.read(begun, 1)
print(os.getpid() if lock else "refused", flush=True)
time.sleep(600)
"""


def test_one_holds_it_until_it_is_closed(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert first.certain
    assert try_lock(tmp_path / "lock") is None
    first.close()
    with try_lock(tmp_path / "lock") as again:  # type: ignore[union-attr]
        assert again is not None


@pytest.mark.launches
def test_it_dies_with_its_owner_though_a_child_lives_on(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == str(holder.pid)
        assert try_lock(tmp_path / "lock") is None
        holder.kill()
        holder.wait()
        os.killpg(holder.pid, 0)  # the child is there
        assert try_lock(tmp_path / "lock") is not None
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="a link, which is not followed"):
        try_lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe or a device"):
        try_lock(tmp_path / "pipe")


def test_files_are_read_in_bounded_size_and_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    assert read_regular(tmp_path / "link", 5) == b"12345"
    for name, follow, why in [
        ("file", True, "larger than 4 bytes"),
        ("link", False, "a link"),
        ("pipe", True, "a pipe"),
        ("/dev/zero", True, "a device"),
        (".", True, "Is a directory"),
        ("none", True, "No such file"),
    ]:
        with pytest.raises(OSError, match=why):
            read_regular(tmp_path / name, 4, follow=follow)

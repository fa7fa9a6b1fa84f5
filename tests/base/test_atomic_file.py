"""Files are there whole or not at all, and with the permissions of any other file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpi_pgpe.base.atomic_file import replace_atomically, write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.file"


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_one_file_is_left_with_the_permissions_of_a_new_file(path: Path, umask: int) -> None:
    for content in (b"first", b"second"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_who_reads_while_a_file_is_replaced_reads_the_old_one_whole(path: Path) -> None:
    write_atomically(path, b"old" * 10_000)
    with open(path, "rb", buffering=0) as reader:
        beginning = reader.read(3)
        write_atomically(path, b"new")
        assert beginning + reader.read() == b"old" * 10_000
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_old_file_is_there_until_the_new_one_is_on_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A program that is killed at `step` leaves the old file; only the rename makes the new one visible."""
    write_atomically(path, b"old")
    seen = []

    def killed(*arguments: object) -> None:
        seen.append(path.read_bytes())
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_all_of_a_file_is_on_the_disk_before_it_takes_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, bytes]] = []

    def noted(name: str, do: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: object) -> None:
            (aside,) = set(path.parent.iterdir()) - {path}
            steps.append((name, aside.read_bytes()))
            do(*arguments)

        return step

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    with replace_atomically(path, ".gif") as aside:
        aside.write_bytes(b"a picture")
        assert aside.suffix == ".gif"
        assert not path.exists()
    assert steps == [("fsync", b"a picture"), ("replace", b"a picture")]


def test_a_block_that_raises_leaves_what_was_there(path: Path) -> None:
    write_atomically(path, b"old")

    def write_half() -> None:
        with replace_atomically(path) as aside:
            aside.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == b"old"

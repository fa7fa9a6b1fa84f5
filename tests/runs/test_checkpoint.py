"""The checkpoint file, the folder that holds them, and the digest."""

from __future__ import annotations

import resource
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpi_pgpe.base.state import digest
from mpi_pgpe.runs import checkpoint
from mpi_pgpe.runs.checkpoint import CheckpointError, Folder, Schedule, pack, read

STATE: dict[str, Any] = {
    "search": {"center": np.array([1.0, -0.0, np.nan, 1e-310]), "optimizer": {"steps": 3, "velocity": np.ones(2)}},
    "text": "grüße",
    "none": None,
    "infinite": -np.inf,
    "list": [1, 2.5, "x"],
    "empty": np.zeros((0, 3), np.float32),
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(pack(STATE))
    assert same(read(tmp_path / "c.npz"), STATE)


def test_the_file_is_arrays_and_json_without_pickle(tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(pack(STATE))
    with zipfile.ZipFile(tmp_path / "c.npz") as archive:
        for name in archive.namelist():
            assert archive.read(name)[:6] == b"\x93NUMPY"
    bad = tmp_path / "bad.npz"
    np.savez(bad, json=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(CheckpointError, match="damaged, truncated or of another kind"):
        read(bad)


def test_another_version_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "VERSION", 99)
        (tmp_path / "c.npz").write_bytes(pack(STATE))
    with pytest.raises(CheckpointError, match="version 99"):
        read(tmp_path / "c.npz")


def test_every_truncation_and_flipped_byte_is_noticed(tmp_path: Path) -> None:
    whole = pack(STATE)
    path = tmp_path / "c.npz"
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(whole) - 1, 60):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read(path)
    noticed = 0
    for position in rng.integers(0, len(whole), 100):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            assert same(read(path), STATE)  # some bytes of a zip file, such as dates, carry nothing
        except CheckpointError:
            noticed += 1
    assert noticed > 20


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new", "k")
    Folder(tmp_path / "new", "other").write(1, STATE)
    for generation in (3, 9, 10, 100):
        folder.write(generation, STATE | {"generation": generation})
        time.sleep(0.01)
    assert [path.name for path in folder.files()] == ["checkpoint-k-0000100.npz", "checkpoint-k-0000010.npz"]
    assert len(Folder(tmp_path / "new", "*").files()) == 3  # another configuration's stay
    assert read(folder.files()[0])["generation"] == 100


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    aside = tmp_path / ".checkpoint-k-0000003.npz.abc"
    aside.write_bytes(b"half")
    Folder(tmp_path, "k").write(4, STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-k-0000004.npz"]


def test_a_write_that_the_disk_refuses_destroys_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "k")
    folder.write(1, STATE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # bytes in a file: half of the checkpoint
    try:
        for _ in range(3):
            with pytest.raises(OSError, match="File too large"):
                folder.write(2, STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-k-0000001.npz"]
    assert same(read(folder.files()[0]), STATE)


def test_schedule() -> None:
    always, rarely = Schedule(1, 0.0), Schedule(3, 3600.0)
    assert [generation for generation in range(1, 8) if rarely.due(generation)] == [3, 6]
    rarely.written()
    assert not any(rarely.due(generation) for generation in range(1, 8))
    always.written()
    assert always.due(5)


def test_the_digest_changes_with_every_bit_and_with_nothing_else() -> None:
    first = digest(STATE)
    assert first == digest({key: STATE[key] for key in reversed(STATE)})
    assert 0 <= first < 2**48
    assert float(first) == first
    changed = [
        STATE | {"text": "gruße"},
        STATE | {"infinite": np.inf},
        STATE | {"empty": np.zeros((3, 0), np.float32)},
        STATE | {"search": {**STATE["search"], "center": np.array([1.0, 0.0, np.nan, 1e-310])}},
        STATE | {"search": {**STATE["search"], "optimizer": {"steps": 4, "velocity": np.ones(2)}}},
    ]
    assert len({first, *map(digest, changed)}) == 1 + len(changed)

"""The checkpoint file, the folder that holds them, and the digest."""

from __future__ import annotations

import io
import os
import resource
import time
import tracemalloc
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


def test_each_byte_of_a_checkpoint_is_noticed_or_carries_nothing(tmp_path: Path) -> None:
    state = {"a": {"b": np.array([1.0, 2.0])}, "c": 3}
    whole = pack(state)
    path = tmp_path / "c.npz"
    noticed = 0
    for position in range(len(whole)):
        for flipped in (0x01, 0x80):
            damaged = bytearray(whole)
            damaged[position] ^= flipped
            path.write_bytes(damaged)
            try:
                assert same(read(path), state)
            except CheckpointError:
                noticed += 1
    assert noticed > len(whole)


def rewritten(content: bytes, change: Any, **how: Any) -> bytes:
    """A checkpoint with other members, whose own checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **how) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()


def other_json(old: bytes, new: bytes) -> Any:
    def change(members: dict[str, bytes]) -> None:
        text = np.load(io.BytesIO(members["json.npy"])).tobytes()
        assert old in text
        buffer = io.BytesIO()
        np.save(buffer, np.frombuffer(text.replace(old, new), np.uint8))
        members["json.npy"] = buffer.getvalue()

    return change


def test_a_changed_dtype_in_the_header_of_a_large_member_is_noticed(tmp_path: Path) -> None:
    whole = pack({"center": np.arange(100_000.0)})
    assert whole.count(b"'<f8'") == 1
    path = tmp_path / "c.npz"
    path.write_bytes(whole.replace(b"'<f8'", b"'<f4'"))
    with pytest.raises(CheckpointError, match="damaged"):
        read(path)


@pytest.mark.parametrize(
    ("change", "how", "why"),
    [
        (other_json(b'"steps": 3', b'"steps": 4'), {}, "the digest in it is not that of its state"),
        (lambda members: None, {"compression": zipfile.ZIP_DEFLATED}, "a compressed member"),
        (lambda members: members.update({"more.npy": members["empty.npy"]}), {}, "belongs nowhere"),
        (other_json(b'{"array": "empty"}', b'{"array": "search/center"}'), {}, "KeyError"),  # in two places
        (lambda members: members.update({"empty.npy": members["empty.npy"] + b"12345678"}), {}, "does not fit it"),
    ],
)
def test_what_is_whole_but_no_checkpoint_of_ours_is_refused(tmp_path: Path, change: Any, how: Any, why: str) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes(rewritten(pack(STATE), lambda members: None))
    assert same(read(path), STATE)
    path.write_bytes(rewritten(pack(STATE), change, **how))
    with pytest.raises(CheckpointError, match=why):
        read(path)


def test_a_small_file_that_claims_two_gigabytes_is_refused_before_they_are_there(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**28,)})
    path = tmp_path / "c.npz"
    claims = lambda members: members.update({"search/center.npy": header.getvalue()})  # noqa: E731
    zeros = lambda members: members.update({"search/center.npy": header.getvalue() + bytes(2**25)})  # noqa: E731
    for content in (
        rewritten(pack(STATE), claims),
        rewritten(pack(STATE), zeros, compression=zipfile.ZIP_DEFLATED),
    ):
        path.write_bytes(content)
        assert len(content) < 2**17
        tracemalloc.start()
        with pytest.raises(CheckpointError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "checkpoint-k-0000001.npz"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="cannot be read: a pipe or a device"):
        read(path)


def test_the_newest_is_that_of_the_latest_generation_whatever_the_clock_says(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "k")
    in_a_year = time.time() + 3e7
    for generation in (7, 8):
        os.utime(folder.write(generation, STATE), (in_a_year, in_a_year))
    new = folder.write(9, STATE)
    assert [path.name for path in folder.files()] == ["checkpoint-k-0000009.npz", "checkpoint-k-0000008.npz"]
    assert new.exists()


def test_a_run_that_was_set_back_keeps_what_it_writes(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "k")
    for generation in (100, 101, 5, 6, 7):
        assert folder.write(generation, STATE).exists()
    assert [int(path.stem[-3:]) for path in folder.files()] == [101, 100, 7, 6]


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

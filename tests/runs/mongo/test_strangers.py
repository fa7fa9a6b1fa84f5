"""sync on the run folder of a stranger: nothing outside of it is read, written or sent, and nothing odd is printed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mongo_server import Server
from recorded import record, state, training

from mpi_pgpe import sync
from mpi_pgpe.runs.recorder import Recorder

pytestmark = [pytest.mark.launches, pytest.mark.usefixtures("patience")]
pytest_plugins = ["mongo_fixtures"]

SECRET = b"what is nobody's business"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The record of a run, with a secret beside it."""
    observer = Recorder(tmp_path / "results")
    record(observer, training(observer))
    (observer.folder / "checksums.json").unlink()
    (tmp_path / "secret").write_bytes(SECRET)
    return observer.folder


def delivered(folder: Path, server: Server, name: str) -> int:
    return sync.main([str(folder), "-m", f"127.0.0.1:{server.port}:{name}"])


def sent(server: Server, name: str) -> bytes:
    database = server.client[name]
    return (
        b"".join(chunk["data"] for chunk in database["fs.chunks"].find()) + repr(list(database["runs"].find())).encode()
    )


def change(folder: Path, **entries: Any) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def with_sources(*sources: str) -> dict[str, Any]:
    return {"base_dir": "/", "sources": [["x.py", stored] for stored in sources]}


@pytest.mark.parametrize(
    "entries",
    [
        lambda outside: {"artifacts": ["../../secret"]},
        lambda outside: {"artifacts": [str(outside)]},
        lambda outside: {"artifacts": [".."]},
        lambda outside: {"artifacts": [{"$ne": 1}]},
        lambda outside: {"artifacts": "../../secret"},
        lambda outside: {"experiment": with_sources("../secret")},
        lambda outside: {"experiment": with_sources(str(outside))},
        lambda outside: {"experiment": with_sources("_sources/../../secret")},
        lambda outside: {"uid": {"$ne": 1}},
        lambda outside: {"status": 7},
        lambda outside: {"experiment": None},
    ],
)
def test_a_record_that_names_what_is_not_in_it_is_refused_in_one_line(
    folder: Path, server: Server, name: str, capsys: Any, entries: Callable[[Path], dict[str, Any]]
) -> None:
    change(folder, **entries(folder.parents[1] / "secret"))
    assert delivered(folder, server, name) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "run.json: expected " in err
    assert SECRET not in sent(server, name)
    assert list(server.client[name]["runs"].find()) == []


def test_links_and_pipes_are_left_out_and_told(folder: Path, server: Server, name: str, caplog: Any) -> None:
    for artifact in ("agent3.pickle", "agent6.pickle", "best.pickle", "cout.txt"):
        (folder / artifact).unlink()
    (folder / "agent3.pickle").symlink_to(folder.parents[1] / "secret")
    os.mkfifo(folder / "agent6.pickle")
    (folder / "best.pickle").symlink_to("/dev/zero")
    (folder / "cout.txt").write_bytes(b"")
    sources = folder.parent / "_sources"
    stored = [f"x_{hashlib.md5(SECRET).hexdigest()}.py", f"y_{'0' * 32}.py", f"z_{'0' * 32}.py"]
    (sources / stored[0]).symlink_to(folder.parents[1] / "secret")
    (sources / stored[1]).write_bytes(SECRET)  # not the file that its name tells of
    change(folder, experiment=with_sources(*(f"_sources/{each}" for each in stored)))
    caplog.set_level("WARNING")
    assert delivered(folder, server, name) == 0
    assert SECRET not in sent(server, name)
    run = state(server, name)
    assert set(run["artifacts"]) == {"agent9.pickle", "agent12.pickle"}
    assert run["experiment"]["sources"] == []
    assert [line.count(": not in MongoDB") for line in caplog.messages] == [1] * 6
    assert "agent6.pickle is a pipe or a device, not a file: not in MongoDB" in caplog.text


@pytest.mark.parametrize("file", ["run.json", "config.json", "info.json", "metrics.jsonl", "cout.txt", "mongo.json"])
def test_a_link_in_the_place_of_a_file_is_told_and_not_read(
    folder: Path, server: Server, name: str, capsys: Any, file: str
) -> None:
    outside = folder.parents[1] / "outside"
    outside.write_bytes((folder / file).read_bytes() if (folder / file).exists() else b'{"id": 7}')
    (folder / file).unlink(missing_ok=True)
    (folder / file).symlink_to(outside)
    assert delivered(folder, server, name) == 1
    assert "a link, which is not followed" in capsys.readouterr().err
    assert outside.exists()


def test_the_lock_follows_no_link(folder: Path, server: Server, name: str, capsys: Any) -> None:
    (folder / ".lock").unlink()
    (folder / ".lock").symlink_to(folder.parents[1] / "new")
    assert delivered(folder, server, name) == 1
    assert "a link, which is not followed; remove it" in capsys.readouterr().err
    assert not (folder.parents[1] / "new").exists()


def test_a_link_among_the_runs_is_not_followed(folder: Path, server: Server, name: str, capsys: Any) -> None:
    (folder / "mongo.json").write_text("{}")
    elsewhere = folder.parents[1] / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "7").symlink_to(folder)
    assert delivered(elsewhere, server, name) == 2
    assert f"{elsewhere}/7: a link, which is not followed; name it by itself" in capsys.readouterr().err


def test_what_is_printed_is_one_line_whatever_the_record_says(
    folder: Path, server: Server, name: str, capsys: Any
) -> None:
    change(folder, status="DONE\nresults/2: run 2 in somewhere (COMPLETED)\x1b[2J")
    assert delivered(folder, server, name) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out

"""Fixtures of the tests with a MongoDB server: pytest_plugins = ["mongo_fixtures"]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mongo_server import Relay, Server
from recorded import GENERATIONS, record, state, training

from mpi_pgpe.runs.mongo import address, delivery
from mpi_pgpe.runs.recorder import Recorder


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: a server that is there, or comes back, is waited for at the end of a run."""
    monkeypatch.setattr(delivery, "_PATIENCE", 120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    opened = Relay(server.port)
    yield opened
    opened.shut()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A database of the test's own."""
    return f"t{abs(hash(request.node.name)):x}"


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of `training` when nothing happens to it."""
    observer = Recorder(
        tmp_path_factory.mktemp("results"), address.parse_target(f"127.0.0.1:{server.port}:undisturbed")
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delivery, "_PATIENCE", 120)
        record(observer, training(observer))
    found = state(server, "undisturbed")
    assert found["status"] == "COMPLETED"
    assert found["result"] == GENERATIONS
    assert found["info"] == {"resumed_from": "results/1"}
    assert found["captured_out"] == "".join(f"generation={g + 1}\n" for g in range(GENERATIONS))
    assert found["metrics"]["pop_mean"] == (list(range(1, 13)), [repr(g / 2) for g in range(1, 13)])
    assert found["metrics"]["re_eval_mean"] == ([4, 8, 12], ["inf", "nan", "inf"])
    assert found["artifacts"]["best.pickle"] == b"best" * 12
    assert found["artifacts"]["agent9.pickle"] == bytes([9]) * 700_000
    assert found["files"] == 5
    return found

"""A server behind a Unix socket, as on hosts where no port is open."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from mongo_server import Server

from mpi_pgpe.runs.mongo import address

pytest_plugins = ["mongo_fixtures"]
pytestmark = pytest.mark.serial


@contextlib.contextmanager
def behind_socket(path: Path, port: int) -> Iterator[None]:
    """Meanwhile what connects to the socket reaches the port."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                to_server = socket.create_connection(("127.0.0.1", port))
                for pair in ((client, to_server), (to_server, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def test_a_url_of_a_unix_socket_reaches_its_server(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "mongo-1.sock"
    target = address.parse_target(f"mongodb://{quote_plus(str(path))}/exp")
    assert (target.database, target.shown) == ("exp", f"{quote_plus(str(path))}/exp")
    with behind_socket(path, server.port), address.connect(target) as client:
        assert client.admin.command("ping")["ok"] == 1
    secret = address.parse_target("mongodb://ada:lovelace@%2Ftmp%2Fm.sock/exp?authSource=hidden")
    assert "lovelace" not in secret.shown + secret.option + address.strip_secrets(secret.url)

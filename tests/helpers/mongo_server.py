"""A real MongoDB server for the tests, and a relay before it that can be cut."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError


def free_port() -> int:
    """A port that nobody uses, and below those that the system gives to clients.

    A client that tries again and again to reach a port among its own would end by talking to itself there.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)  # sacred seeds the other one
        with contextlib.suppress(OSError), socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            return port


class Server:
    """A server program (SecantusDB) with its data in a folder; may be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.start(*options)

    def start(self, *options: str) -> None:
        program = Path(sys.executable).with_name("secantusd-py")
        self.process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", str(self.port), "--storage-path", self.folder,
             "--standalone", "--sync-on-commit", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 600  # on a busy machine it may take minutes
        while True:
            try:
                self.client: MongoClient[dict[str, Any]] = MongoClient(
                    "127.0.0.1", self.port, serverSelectionTimeoutMS=1000
                )
                self.client.admin.command("ping")
                return
            except PyMongoError:
                assert self.process.poll() is None, "the server did not start"
                assert time.monotonic() < deadline, "the server does not answer"

    def kill(self) -> None:
        """kill -9."""
        self.client.close()
        self.process.kill()
        self.process.wait()


class Relay:
    """Passes connections on to a port; can refuse them, freeze them, or break them off."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = free_port()
        self.connections = 0
        self.break_after: int | None = None  # bytes towards the server, over all connections
        self.drop_replies = 0  # so many replies: the request gets there, the answer is lost
        self.replies_until_loss: int | None = None  # the same, for the one reply after so many
        self.late = 0.0  # seconds for each message, both ways
        self.frozen = threading.Event()  # connections are accepted, and nothing passes
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Break off all connections and refuse new ones."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _end(*pair)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:
                client.close()
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.late)
                while self.frozen.is_set():
                    time.sleep(0.01)
                if to_server and self.break_after is not None:
                    self.break_after -= len(data)
                    if self.break_after < 0:
                        self.shut()
                        break
                if not to_server and self.drop_replies > 0:
                    self.drop_replies -= 1
                    break
                if not to_server and self.replies_until_loss is not None:
                    self.replies_until_loss -= 1
                    if self.replies_until_loss < 0:
                        self.replies_until_loss = None
                        break
                sink.sendall(data)
        _end(source, sink)


def _end(*sockets: socket.socket) -> None:
    for s in sockets:
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)
        s.close()

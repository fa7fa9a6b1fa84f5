"""Noticing that a host is lost, for which MPI may wait for ever.

One rank of every further host keeps a connection to rank 0 on which nothing is said: the kernels at its two
ends ask each other now and then whether they are still there (TCP keep-alive), however busy the programs
are. A cut of some seconds passes unnoticed; a longer one ends the ranks at both ends, with a message.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any, NoReturn

from mpi_pgpe.base.errors import RESUME
from mpi_pgpe.parallel.launcher import find_descendants, find_launchers

_IDLE, _INTERVAL, _PROBES = 10, 5, 4  # seconds until the first question, between questions; unanswered ones
SECONDS = _IDLE + _INTERVAL * _PROBES
"""A host that was silent for so long is lost."""

_SECONDS_TO_CONNECT = 10.0
_SECONDS_TO_PRINT = 5.0  # a message goes by way of the launcher, which may be slow
_HELLO = struct.Struct("<16si")  # secret, rank


class HostWatch:
    """Ends this process when the host of rank 0 is lost or, on rank 0, any other host.

    All ranks have to make one, together.

    Args:
        comm: mpi4py's communicator of all ranks.
        advice: for the message of a loss.
    """

    def __init__(self, comm: Any, advice: str) -> None:
        self._advice = advice
        self._connections: dict[socket.socket, str] = {}  # to what each one leads
        names = comm.allgather(socket.gethostname())
        ranks: dict[str, list[int]] = {}
        for rank, name in enumerate(names):
            ranks.setdefault(name, []).append(rank)
        if len(ranks) == 1:
            return
        rank = comm.Get_rank()
        if rank == 0:
            self._listen(comm, ranks)
        else:
            self._connect(comm, rank, names)
        if self._connections:
            threading.Thread(target=self._watch, name="host watch", daemon=True).start()

    def _listen(self, comm: Any, ranks: dict[str, list[int]]) -> None:
        expected = {found[0]: name for name, found in ranks.items() if found[0] != 0}
        secret = secrets.token_bytes(16)
        with socket.create_server(("", 0), backlog=len(expected)) as server:
            comm.bcast((server.getsockname()[1], secret))
            deadline = time.monotonic() + _SECONDS_TO_CONNECT
            while expected and (left := deadline - time.monotonic()) > 0:
                server.settimeout(left)
                try:
                    connection, _ = server.accept()
                    connection.settimeout(left)
                    said, rank = _HELLO.unpack(connection.recv(_HELLO.size, socket.MSG_WAITALL))
                except (OSError, struct.error):
                    continue
                if said == secret and rank in expected:
                    name = expected.pop(rank)
                    self._add(connection, f"host {name} with {_ranks(ranks[name])}")
                else:
                    connection.close()
        if expected:
            print(
                f"no connection from {', '.join(sorted(expected.values()))} to {socket.gethostname()}: should one of "
                "these hosts be lost, nobody but MPI would notice",
                file=sys.stderr,
                flush=True,
            )

    def _connect(self, comm: Any, rank: int, names: list[str]) -> None:
        port, secret = comm.bcast(None)
        if names.index(names[rank]) != rank:  # another rank of this host does it
            return
        try:
            connection = socket.create_connection((names[0], port), timeout=_SECONDS_TO_CONNECT)
            connection.sendall(_HELLO.pack(secret, rank))
        except OSError:
            return  # rank 0 says so
        self._add(connection, f"host {names[0]} with rank 0")

    def _add(self, connection: socket.socket, leads_to: str) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, _IDLE),
            (socket.TCP_KEEPINTVL, _INTERVAL),
            (socket.TCP_KEEPCNT, _PROBES),
        ):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self._connections[connection] = leads_to

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for connection in self._connections:
                selector.register(connection, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    try:
                        key.fileobj.recv(1)  # nothing: the program at the other end is over, which is MPI's business
                    except OSError as error:
                        _end(
                            f"{socket.gethostname()} has lost {self._connections[key.fileobj]}: no sign of life for "
                            f"{SECONDS} s ({error.strerror}). This run ends; {self._advice}"
                        )
                    selector.unregister(key.fileobj)


def _ranks(numbers: list[int]) -> str:
    return f"rank{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _end(message: str) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    time.sleep(_SECONDS_TO_PRINT)
    # They would wait for the lost host. An srun of mpiexec's that stays would end, by its number, a step of the
    # job's next attempt. mpiexec is stopped first and killed last: its end is that of this process.
    every = [one for launcher in find_launchers() for one in (launcher, *find_descendants(launcher))]
    for number, pids in ((signal.SIGSTOP, every), (signal.SIGKILL, every[::-1])):
        for pid in pids:
            if pid != os.getpid():
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
    os._exit(RESUME)  # nothing of MPI's would return

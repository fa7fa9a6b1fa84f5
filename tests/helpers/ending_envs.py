"""Environments that print, go elsewhere, or end their process, named `ending_envs:Class`."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import threading
import time
from os import _exit
from pathlib import Path
from typing import Any

from faulty_envs import Plain


class Prints(Plain):
    """To both streams, as text and as bytes, with a letter that ASCII lacks."""

    def step(self, action: Any) -> Any:
        print("made a step \u00e9")
        print("made a step \u00e9", file=sys.stderr, flush=True)
        sys.stdout.buffer.write(b"of bytes\n")
        sys.stdout.flush()
        return super().step(action)


class Closes(Plain):
    """Closes standard output in its first step: the program's, or what it has put in its place."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.own = own

    def step(self, action: Any) -> Any:
        if self.own:
            sys.stdout = io.StringIO()
        sys.stdout.close()
        return super().step(action)


class GoesElsewhere(Plain):
    """Changes to a folder of its own when it is made, and opens a file there in each step."""

    def __init__(self, assets: str = "assets") -> None:
        super().__init__()
        os.makedirs(assets, exist_ok=True)
        os.chdir(assets)
        Path("model.xml").write_text("<model/>")

    def step(self, action: Any) -> Any:
        assert Path("model.xml").read_text() == "<model/>"
        return super().step(action)


class Ends(Plain):
    """Ends its process in the fifth step, on the rank that it is to."""

    def __init__(self, how: str, rank: int = 0) -> None:
        super().__init__()
        here = int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or "0")
        self.how = how if here == rank else ""

    def step(self, action: Any) -> Any:
        if self.steps == 4:
            if self.how == "os._exit":
                os._exit(0)
            elif self.how == "bound":
                _exit(0)
            elif self.how == "thread":
                threading.Timer(0.1, os._exit, (0,)).start()
                time.sleep(60)
            elif self.how == "thread later":
                threading.Timer(0.1, os._exit, (0,)).start()
            elif self.how == "interrupt":
                raise KeyboardInterrupt
            elif self.how == "abort":
                os.abort()
            elif self.how == "segfault":
                ctypes.string_at(0)
            elif self.how == "native exit":
                ctypes.CDLL(None)._exit(0)
            elif self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


class Forks(Plain):
    """Leaves a process that is forked and never ends; its process id is in the folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(1)
        Path(folder, str(child)).touch()


class ForksAndReturns(Plain):
    """Forks in the fifth step; the new process raises an exception, or goes on as if it were the old one."""

    def __init__(self, raises: bool) -> None:
        super().__init__()
        self.raises = raises

    def step(self, action: Any) -> Any:
        if self.steps == 4 and os.fork() == 0 and self.raises:
            raise FileNotFoundError("no such program")
        return super().step(action)


class Verbose(Plain):
    """Raises an exception with 20 MB of text."""

    def step(self, action: Any) -> Any:
        raise RuntimeError("x" * 20_000_000)

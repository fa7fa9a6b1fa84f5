"""Shared by the benchmarks: their command line, interleaved measurement, a table, JSON."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mpi_pgpe.base.arguments import make_minimum

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one thread a process, as the trainer has it

Row = dict[str, Any]


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults that tell something, and the description as it is written."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default else action.help


def parser(description: str | None, repeats: bool = True) -> argparse.ArgumentParser:
    """A command line with what all benchmarks have."""
    found = argparse.ArgumentParser(description=description, formatter_class=_Help, allow_abbrev=False)
    found.add_argument("--json", metavar="FILE", type=writable, help="also write the figures here")
    if repeats:
        found.add_argument(
            "--repeats", metavar="N", type=make_minimum(1), default=5, help="measurements that a median is taken of"
        )
    return found


def writable(text: str) -> Path:
    """The type of an argument: a file to write, refused before the measurements instead of after them."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file, got the folder {text!r}")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    return path


def environment(name: str) -> str:
    """The type of an argument: the name of an environment that is installed."""
    from mpi_pgpe import envs

    try:
        envs.check_name(name)
    except envs.UnknownEnvironment as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def output(argv: Sequence[str | Path], cwd: str | None = None) -> str:
    """What a program prints; one that fails ends this one, with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        command = " ".join(shlex.quote(str(part)) for part in argv if "\n" not in str(part))
        raise SystemExit(f"{(done.stderr + done.stdout)[-3000:]}\nfailed with exit code {done.returncode}: {command}")
    return done.stdout


def each(names: Sequence[Any], kind: str = "") -> Iterator[Any]:
    """What is to be measured, one after another; a terminal is told which, for each may take a minute."""
    for number, name in enumerate(names, 1):
        if sys.stderr.isatty():
            print(f"measuring {name}{kind} ({number} of {len(names)})", file=sys.stderr)
        yield name


def interleaved(functions: Sequence[Callable[[], Any]], repeats: int) -> list[list[float]]:
    """Processor seconds of each function, measured in turns so that what else the machine does hits all alike.

    Returns:
        for each function its `repeats` times, in the order of the turns.
    """
    times: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 1):
        for function, taken in zip(functions, times, strict=True):
            began = time.process_time()
            function()
            if turn:  # the first turn warms up
                taken.append(time.process_time() - began)
    return times


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of the ratios of neighbouring measurements."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def mpiexec() -> str:
    """The mpiexec of this Python's environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.exists() else "mpiexec"


def report(title: str, rows: list[Row], path: Path | None = None) -> None:
    """Print a table; write it with the machine and the command as JSON if there is a path."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_text(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    print(f"\n{title}\n")
    for i, line in enumerate(cells):
        print("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    if path is not None:
        write_json(title, rows, path)


def write_json(title: str, rows: list[Row], path: Path) -> None:
    """Write figures with the machine and the command."""
    found = {"title": title, "command": command(), "machine": machine(), "rows": rows}
    path.write_text(json.dumps(found, indent=1) + "\n")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def command() -> str:
    """This program's command line."""
    return shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]])


def commit() -> str | None:
    """The commit that is measured, with "+" where files differ from it; None outside of a checkout."""
    try:
        git = ["git", "-C", str(Path(__file__).parent)]
        found = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "../mpi_pgpe", "."], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip() + "+" * bool(changed)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else ""
    versions = {}
    for package in ("numpy", "mpi4py", "gym", "gymnasium", "pybullet", "mujoco", "evotorch", "ray"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "commit": commit(),
        "processor": model,
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()),
        "python": platform.python_version(),
        "versions": versions,
    }

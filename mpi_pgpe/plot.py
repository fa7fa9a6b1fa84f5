"""Draw learning curves of recorded runs: `python -m mpi_pgpe.plot RUN [RUN ...] [-o OUT.png]`."""

from __future__ import annotations

from mpi_pgpe.cli import entry

if __name__ == "__main__":
    entry.begin()  # before numpy is loaded

# isort: split
import errno
import io
import os
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.arguments import Parser, add_json
from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.base.text import format_json_line, make_printable
from mpi_pgpe.runs.joined import group_runs
from mpi_pgpe.runs.reader import RecordedRun, RunError, add_arguments, read_runs

X_AXES = {
    "timesteps": ("timesteps", 1.0, "environment steps"),
    "generations": ("generation", 1.0, "generation"),
    "hours": ("elapsed", 3600.0, "hours"),
}
"""By name: the metric, what it is divided by, and the label."""

_LARGEST = 1e100
"""Beyond it the arithmetic of a picture overflows."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y, both of shape (n,)."""


def make_parser() -> Parser:
    """The command line."""
    p = Parser(
        prog="python -m mpi_pgpe.plot",
        description="Draw learning curves of recorded runs. Runs that differ in their seeds alone become one curve: "
        "their median, with a band from the lower to the upper quartile.",
    )
    p.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run (results/1) or of several (results)")
    p.add_argument("-o", "--output", default="learning_curve.png", help="picture to write (default %(default)s)")
    p.add_argument("-x", choices=list(X_AXES), default="timesteps", help="horizontal axis (default %(default)s)")
    add_arguments(p)
    add_json(p)
    return p


def compute_curve(run: RecordedRun, metric: str, x: str) -> Curve:
    """The finite values of a metric over the axis.

    Raises:
        RunError: the axis is not recorded, or a value is too large to be drawn.
    """
    name, unit, _ = X_AXES[x]
    values = run.metrics.get(metric, {})
    at = run.metrics.get(name)
    if at is None:
        raise RunError(f"{run.name}: expected the metric {name}, which -x {x} needs, but it is not recorded")
    known = [g for g in sorted(values) if g in at and np.isfinite(at[g]) and np.isfinite(values[g])]
    for g in known:
        for what, value in ((name, at[g]), (metric, values[g])):
            if abs(value) > _LARGEST:
                raise RunError(f"{run.name}: {what} is {float(value):g} in generation {g}, which is too large to draw")
    points = [(at[g] / unit, values[g]) for g in known]
    xs, ys = np.array(points, np.float64).reshape(-1, 2).T
    return xs, ys


def gather_curves(curves: list[Curve]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(x, quartiles of shape (3, n): lower, median, upper), where all the curves have values.

    Between its points a curve is a straight line.
    """
    first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    at = np.unique(np.concatenate([x for x, _ in curves]))
    at = at[(at >= first) & (at <= last)]
    values = np.array([np.interp(at, x, y) for x, y in curves]).reshape(len(curves), -1)
    return at, np.quantile(values, [0.25, 0.5, 0.75], axis=0)


def check_output(output: Path) -> None:
    """Refuse what cannot be the name of a picture.

    Raises:
        RunError: its suffix or its folder cannot be; the message says what can.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.backend_bases import FigureCanvasBase

    kinds, kind = sorted(FigureCanvasBase.get_supported_filetypes()), output.suffix[1:].lower()
    if not kind or os.path.isdir(output):
        raise RunError(f"expected the name of a picture to write, such as learning_curve.png, got {str(output)!r}")
    if kind not in kinds:
        raise RunError(f"{output}: Format {kind!r} is not supported; expected one of {', '.join(kinds)}")
    if not os.path.isdir(output.parent):
        raise RunError(f"{output}: cannot be written: {os.strerror(errno.ENOENT)}")


def draw_curves(runs: list[RecordedRun], x: str, output: Path) -> list[dict[str, Any]]:
    """Draw population and re-evaluation of the runs into one picture; returns what it shows.

    Raises:
        RunError: there is nothing to draw, or the picture cannot be written.
    """
    check_output(output)
    from matplotlib import pyplot

    found = group_runs(runs)
    several = len(found) > 1  # then their names go below the curves, not over them
    figure, axes = pyplot.subplots(figsize=(7, 4.2 + 0.4 * len(found) * several), layout="constrained")
    shown = []
    for number, group in enumerate(found):
        color = f"C{number % 10}"
        styles: dict[str, tuple[str, dict[str, Any]]] = {
            "pop_mean": ("population mean", {"alpha": 0.6, "linewidth": 1}),
            "re_eval_mean": ("center, re-evaluated", {"marker": "o", "markersize": 4}),
        }
        entry: dict[str, Any] = {"title": group.title, "runs": [run.name for run in group.runs]}
        for metric, (what, style) in styles.items():
            curves = [c for c in (compute_curve(run, metric, x) for run in group.runs) if len(c[0])]
            if not curves:
                continue
            at, (low, median, high) = gather_curves(curves)
            axes.plot(at, median, color=color, label=f"{shorten(make_printable(group.title), 90)}: {what}", **style)
            if len(curves) > 1:
                axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
            entry[metric] = {"points": len(at), "last_x": _last(at), "last": _last(median)}
        shown.append(entry)
    axes.set_xlabel(X_AXES[x][2])
    axes.set_ylabel("return")
    axes.grid(alpha=0.3)
    if not axes.lines:
        raise RunError("there is nothing to draw: no finite return is recorded yet")
    try:
        names = (
            figure.legend(loc="outside lower left", fontsize="x-small")
            if several
            else axes.legend(framealpha=0.8, fontsize="small")
        )
        for text in names.get_texts():
            text.set_parse_math(False)  # a $ in a setting is a $
        picture = io.BytesIO()
        figure.savefig(picture, format=output.suffix[1:].lower(), dpi=150)
        write_atomically(output, picture.getvalue())
    except OSError as error:
        raise RunError(f"{output}: cannot be written: {error.strerror or error}") from None
    except Exception as error:  # of a kind that needs a program, as pgf does
        raise RunError(f"{output}: cannot be drawn: {describe_error(error)}; .png and .pdf always can") from None
    finally:
        pyplot.close(figure)
    return shown


def _last(values: NDArray[np.float64]) -> float | None:
    return float(values[-1]) if len(values) else None


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return entry.guard("plot", lambda: _plot(arguments))


def _plot(arguments: list[str]) -> int:
    args = make_parser().parse_args(arguments)
    check_output(Path(args.output))
    shown = draw_curves(read_runs(args.runs, args.mongo), args.x, Path(args.output))
    print(args.output)
    if args.json:
        print(format_json_line({"output": args.output, "x": args.x, "curves": shown}))
    return 0


if __name__ == "__main__":
    entry.run(main)

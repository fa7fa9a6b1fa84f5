"""Draw learning curves of recorded runs: `python -m mpi_pgpe.plot RUN [RUN ...] [-o OUT.png]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

X_AXES = {"timesteps": "environment steps", "generation": "generation", "elapsed": "seconds"}


class RunError(ValueError):
    """A folder that is not a recorded run, or holds nothing to draw."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m mpi_pgpe.plot", description=__doc__)
    p.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run: results/1")
    p.add_argument("-o", "--output", default="learning_curve.png", help="picture to write (default %(default)s)")
    p.add_argument("-x", choices=list(X_AXES), default="timesteps", help="horizontal axis (default %(default)s)")
    return p


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """The metrics of a run recorded by sacred's file observer: values by name and generation."""
    try:
        recorded = json.loads((folder / "metrics.json").read_text())
    except OSError as error:
        raise RunError(f"{folder}: expected the folder of a recorded run: {error.strerror}: metrics.json") from None
    except ValueError:
        raise RunError(f"{folder}: metrics.json is damaged") from None
    return {name: dict(zip(m["steps"], m["values"], strict=True)) for name, m in recorded.items()}


def draw(folders: list[Path], x: str, output: Path) -> None:
    """Draw population and re-evaluation of each run into one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for folder in folders:
        metrics = read_metrics(folder)
        if "pop_mean" not in metrics:
            raise RunError(f"{folder}: no generation is recorded yet")
        title = _title(folder)
        line = _plot(axes, metrics, x, "pop_mean", label=f"{title}: population mean", alpha=0.6, linewidth=1)
        if "re_eval_mean" in metrics:
            _plot(axes, metrics, x, "re_eval_mean", label=f"{title}: center, re-evaluated",
                  color=line.get_color(), marker="o", markersize=4)  # fmt: skip
    axes.set_xlabel(X_AXES[x])
    axes.set_ylabel("return")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(output, dpi=150)
    pyplot.close(figure)


def _plot(axes: Any, metrics: dict[str, dict[int, float]], x: str, name: str, **style: Any) -> Any:
    generations = sorted(metrics[name])
    return axes.plot([metrics[x][g] for g in generations], [metrics[name][g] for g in generations], **style)[0]


def _title(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text())
        return f"{config['env_name']}, seed {config['seed']}"
    except (OSError, ValueError, KeyError):
        return str(folder)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        draw([Path(run) for run in args.runs], args.x, Path(args.output))
    except (RunError, OSError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 1
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""enjoy and plot, on an agent and a run that the command line made."""

from __future__ import annotations

import json
import subprocess
import sys

import gym
import numpy as np
import pytest

from mpi_pgpe import enjoy, plot
from mpi_pgpe.agents import read_agent

pytestmark = pytest.mark.launches


@pytest.fixture(scope="module")
def run(launch, tmp_path_factory):
    """Folder of a run of Pendulum."""
    results = tmp_path_factory.mktemp("results")
    values = [
        "fast",
        "env_name=Pendulum-v1",
        "niters=2",
        "popsize=4",
        "num_interactions=None",
        "seed=2",
        "hidden_size=3",
    ]
    values += ["re_eval_num_episodes=2", "re_eval_interval=1"]
    done = launch("-m", "mpi_pgpe.train", "-F", results, "with", *values)
    assert done.returncode == 0, done.stderr
    return results / "1"


def enjoyed(capsys, *arguments):
    assert enjoy.main([str(a) for a in arguments]) == 0
    return capsys.readouterr().out


def test_enjoy_scores_what_a_plain_loop_scores(run, capsys):
    agent = read_agent(run / "best.pickle")
    env, returns = gym.make("Pendulum-v1"), []
    (w1, b1), (w2, b2) = agent.shape.split(agent.parameters.astype(np.float64))
    for seed in (5, 6, 7):
        observation, total, done = env.reset(seed=seed)[0], 0.0, False
        while not done:
            x = (observation - agent.moments.mean()) / agent.moments.stdev()
            action = np.clip(w2 @ np.tanh(w1 @ x + b1) + b2, -2, 2).astype(np.float32)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, done = total + reward, terminated or truncated
        returns.append(total)
    shown = json.loads(enjoyed(capsys, run / "best.pickle", "--episodes", 3, "--seed", 5, "--json").splitlines()[-1])
    assert shown["returns"] == pytest.approx(returns, rel=1e-3)
    assert shown["lengths"] == [200] * 3
    assert (shown["env_name"], shown["episodes"], shown["seed"]) == ("Pendulum-v1", 3, 5)
    assert shown["mean"] == pytest.approx(np.mean(returns), rel=1e-3)
    assert shown["stderr"] == pytest.approx(np.std(returns, ddof=1) / np.sqrt(3), rel=1e-2)


def test_enjoy_prints_a_sentence(run, capsys):
    line = enjoyed(capsys, run / "best.pickle", "--episodes", 1)
    assert line.startswith("Pendulum-v1, 1 episode from seed 0: mean return -")
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["missing.pickle"], "missing.pickle: cannot be read: No such file"),
        ([__file__], "expected a saved agent: damaged, truncated or of another kind"),
        (["{best}", "--env", "CartPole-v1"], "expected an environment with 3 observations and 1 continuous actions"),
        (["{best}", "--env", "Pendulum-v9"], "did you mean Pendulum-v1"),
    ],
)
def test_enjoy_refuses_in_one_line(run, capsys, arguments, part):
    assert enjoy.main([a.format(best=run / "best.pickle") for a in arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("enjoy: ")
    assert part in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("x", list(plot.X_AXES))
def test_plot_draws_the_metrics_of_the_run(run, tmp_path, capsys, x, monkeypatch):
    from matplotlib.axes import Axes

    lines, draw = {}, Axes.plot

    def record(axes, xs, ys, **style):
        lines[style["label"].split(": ")[1]] = (xs.tolist(), ys.tolist())
        return draw(axes, xs, ys, **style)

    monkeypatch.setattr(Axes, "plot", record)  # looks on; the picture is drawn
    output = tmp_path / "curve.png"
    assert plot.main([str(run), "-o", str(output), "-x", x]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert output.read_bytes().startswith(b"\x89PNG")
    metrics = {k: m["values"] for k, m in json.loads((run / "metrics.json").read_text()).items()}
    name, unit, _ = plot.X_AXES[x]
    at = [value / unit for value in metrics[name]]
    assert lines == {
        "population mean": (at, metrics["pop_mean"]),
        "center, re-evaluated": (at, metrics["re_eval_mean"]),
    }


def test_plot_refuses_what_is_no_run(tmp_path, capsys):
    assert plot.main([str(tmp_path)]) == 2
    assert "plot: " in (err := capsys.readouterr().err)
    assert "expected the folder of a recorded run" in err
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "metrics.json").write_text("{")
    assert plot.main([str(tmp_path)]) == 2
    assert "metrics.json: is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("enjoy", "file --episodes --seed --env --video --render --json"),
        ("plot", "RUN --output -x --mongo --json"),
        ("compare", "RUN --mongo --json"),
        ("doctor", "--env --env-config --mongo --json"),
        ("agents", "show convert"),
    ],
)
def test_help_names_what_can_be_given(launch, tool, options):
    done = launch("-m", f"mpi_pgpe.{tool}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m mpi_pgpe.{tool} ")
    described = done.stdout.partition("\n\n")[2]  # after the usage
    assert set(options.split()) <= set(described.replace(",", " ").split())


@pytest.mark.parametrize("tool", ["enjoy", "plot"])
def test_tools_are_programs(run, tmp_path, tool):
    argument = run / "best.pickle" if tool == "enjoy" else run
    command = [sys.executable, "-m", f"mpi_pgpe.{tool}", str(argument)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True)
    assert done.stdout
    assert done.stderr == ""
    assert (tmp_path / "learning_curve.png").exists() == (tool == "plot")

"""enjoy: the same result on any number of ranks, and films whose frames are looked at."""

from __future__ import annotations

import ctypes.util
import itertools
import json
import os
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from places import DATA, python_path

from mpi_pgpe import enjoy, envs
from mpi_pgpe.agents import Agent, AgentFileError, write_agent
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.cli.film import Film, ViewedEnvironment, draw_caption
from mpi_pgpe.cli.viewer import choose_environment
from mpi_pgpe.policies.network import PolicyShape

pytestmark = pytest.mark.launches

LANDER = DATA / "pgpelib_lunarlander.pickle"
KEYS = ["env_name", "episodes", "seed", "mean", "median", "min", "max", "stderr", "returns", "lengths"]


def agent_for(name: str, path: Path, **metadata) -> Path:
    env = envs.make(name, {})
    shape = PolicyShape(env.observation_size, env.action_space.size)
    parameters = np.random.default_rng(0).normal(size=shape.num_parameters).astype(np.float32)
    metadata = {"env_name": name, "env_config": {}} | metadata
    write_agent(path, Agent(parameters, shape, env.action_space, None, metadata))
    env.close()
    return path


def enjoyed(done) -> dict:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


def test_the_result_is_the_same_on_any_number_of_ranks(launch):
    command = ("-m", "mpi_pgpe.enjoy", LANDER, "--episodes", 7, "--seed", 3, "--json")
    results = [enjoyed(launch(*command, ranks=ranks)) for ranks in (1, 2, 3)]
    assert results[0] == results[1] == results[2]
    result = results[0]
    assert list(result) == KEYS
    assert (result["episodes"], result["seed"], len(result["lengths"])) == (7, 3, 7)
    returns = np.array(result["returns"])
    assert len(set(returns)) == 7
    assert result["mean"] == pytest.approx(returns.mean())
    assert result["median"] == np.median(returns)
    assert (result["min"], result["max"]) == (returns.min(), returns.max())
    assert result["stderr"] == pytest.approx(returns.std(ddof=1) / 7**0.5)


def test_refusals_are_one_line_on_any_number_of_ranks(launch, tmp_path):
    for ranks in (1, 2):
        for arguments, part in [
            (
                (LANDER, "--env", "CartPole-v1"),
                "8 observations and 2 continuous actions, as the agent has, got CartPole",
            ),
            ((LANDER, "--video", tmp_path / "film.avi"), "expected a film's name to end in .mp4 or .gif"),
            ((LANDER, "--video", tmp_path / "none/film.gif"), "is none"),
            ((tmp_path / "missing",), "cannot be read"),
        ]:
            done = launch("-m", "mpi_pgpe.enjoy", *arguments, ranks=ranks)
            assert done.returncode != 0
            assert done.stdout == ""
            assert part in done.stderr
            assert done.stderr.splitlines()[0].startswith("enjoy: ")


@pytest.mark.parametrize("prefix", ["", "re_eval_"])
@pytest.mark.parametrize("how", [("subprocess:Popen", "args"), ("os:system", "command"), ("touches:X-v0", "x")])
def test_a_file_does_not_choose_code_to_run(tmp_path, capsys, monkeypatch, prefix, how):
    """Neither by calling something with the arguments of its environment nor by importing a module."""
    touched = tmp_path / "touched"
    (tmp_path / "touches.py").write_text(f"open({str(touched)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    name, argument = how
    metadata = {f"{prefix}env_name": name, f"{prefix}env_config": {argument: f"touch {touched}"}}
    if name == "subprocess:Popen":
        metadata[f"{prefix}env_config"]["args"] = ["touch", str(touched)]
    agent = agent_for("CartPole-v1", tmp_path / "agent.pickle", **metadata)
    assert enjoy.main([str(agent), "--episodes", "1"]) == 2
    assert not touched.exists()
    err = capsys.readouterr().err
    assert err.startswith(f"enjoy: the agent's environment is {name}, which is code")
    assert err.endswith(f"--env {name}\n")
    assert enjoy.main([str(agent), "--episodes", "1", "--env", "CartPole-v1"]) == 0


def test_what_the_names_in_a_file_stand_for():
    def chosen(name, wanted=None):
        return choose_environment({"env_name": name, "env_config": {"a": 1}}, wanted)

    assert chosen("CartPole-v1") == ("CartPole-v1", {"a": 1})
    # As agents of pgpelib have them:
    assert chosen("pybullet_envs:HumanoidBulletEnv-v0") == ("HumanoidBulletEnv-v0", {"a": 1})
    tiny = "TinyTrajHumanoidBulletEnv-v0"
    assert chosen(f"tinytraj_humanoid_bullet:{tiny}") == (f"mpi_pgpe/{tiny}", {"a": 1})
    # A user's own environment, and the arguments that belong to it:
    assert chosen("pendulums:Balance", "pendulums:Balance") == ("pendulums:Balance", {"a": 1})
    assert chosen("pendulums:Balance", "CartPole-v1") == ("CartPole-v1", {})
    both = {"env_name": "A", "env_config": {"a": 1}, "re_eval_env_name": "B", "re_eval_env_config": None}
    assert choose_environment(both, None) == ("B", {})
    assert choose_environment(both, "A") == ("A", {"a": 1})
    with pytest.raises(AgentFileError, match="does not say which environment"):
        choose_environment({}, None)


@pytest.mark.parametrize(
    "metadata",
    [{"env_name": ["a"]}, {"env_name": 5}, {"env_config": "abc"}, {"env_config": [1]}, {"env_config": {1: 2}},
     {"env_name": "a\ud800\x1b[31m"}, {"env_config": {"no\ud800\x1b": 1}}],
    ids=str,
)  # fmt: skip
def test_odd_names_and_arguments_in_a_file_are_refused_in_one_line(tmp_path, capsys, metadata):
    agent = agent_for("CartPole-v1", tmp_path / "agent.pickle", **metadata)
    assert enjoy.main([str(agent), "--episodes", "1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("enjoy: ")
    assert err[:-1].isprintable()


def test_alone_it_needs_no_mpi(launch):
    without = (
        "import sys; sys.modules['mpi4py'] = None; from mpi_pgpe import {0}; from mpi_pgpe.cli import entry; "
        "entry.run({0}.main)"
    )
    command = (LANDER, "--episodes", 2, "--json")
    assert enjoyed(launch("-c", without.format("enjoy"), *command)) == enjoyed(launch("-m", "mpi_pgpe.enjoy", *command))
    done = launch("-c", without.format("enjoy"), *command, ranks=2)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "no MPI library can be loaded" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


def test_a_window_without_a_display_is_refused(launch):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = launch("-m", "mpi_pgpe.enjoy", LANDER, "--render", env=env)
    assert done.returncode == 2
    assert "use --video" in done.stderr
    if ctypes.util.find_library("X11") is not None:
        done = launch("-m", "mpi_pgpe.enjoy", LANDER, "--render", env=env | {"DISPLAY": ":4711"})
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "DISPLAY=:4711 does not answer; use --video" in done.stderr


def test_an_environment_that_fails_is_named(launch, tmp_path):
    (tmp_path / "broken.py").write_text(
        "import gym\n"
        "class Broken(gym.Env):\n"
        "    observation_space = gym.spaces.Box(-1, 1, (8,))\n"
        "    action_space = gym.spaces.Box(-1, 1, (2,))\n"
        "    def reset(self, seed=None, options=None):\n"
        "        return self.observation_space.sample(), {}\n"
        "    def step(self, action):\n"
        "        raise RuntimeError('out of order')\n"
    )
    env = os.environ | {"PYTHONPATH": python_path(tmp_path)}
    for ranks in (1, 2):
        done = launch("-m", "mpi_pgpe.enjoy", LANDER, "--env", "broken:Broken", ranks=ranks, env=env)
        assert done.returncode != 0
        assert "broken:Broken' failed (seed" in done.stderr
        assert "RuntimeError: out of order" in done.stderr


def test_a_film_of_a_lander(launch, tmp_path):
    """Every step has its frame; the frames differ; the film's return is that of the plain run."""
    path = tmp_path / "lander.mp4"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "SDL_VIDEODRIVER")}
    command = ("-m", "mpi_pgpe.enjoy", LANDER, "--seed", 2, "--json")
    result = enjoyed(launch(*command, "--video", path, env=environment))
    assert result["episodes"] == 1
    plain = enjoyed(launch(*command, "--episodes", 1))
    assert result == plain
    frames = [np.asarray(frame) for frame in imageio.get_reader(path)]
    assert len(frames) == result["lengths"][0]
    assert frames[0].shape == (400, 600, 3)
    meta = imageio.get_reader(path).get_meta_data()
    assert meta["fps"] == 50
    assert meta["duration"] == pytest.approx(result["lengths"][0] / 50, abs=0.05)
    # Below the caption, the lander moves between any two frames that are ten apart in its fall.
    for i in range(30, 120, 10):
        assert np.abs(frames[i][60:].astype(int) - frames[i + 10][60:]).max() > 50
    # The caption of the last frame says the return: it is what drawing that text there gives.
    said = draw_caption(frames[-1] * 0, f"step {len(frames)}   return {result['returns'][0]:.1f}")[:40]
    other = draw_caption(frames[-1] * 0, f"step {len(frames)}   return {result['returns'][0] + 77:.1f}")[:40]
    shown = frames[-1][:40].astype(int)
    assert np.abs(shown - said).mean() < 3
    assert np.abs(shown - other).mean() > 2 * np.abs(shown - said).mean()
    assert os.listdir(tmp_path) == ["lander.mp4"]


def test_a_gif_of_two_episodes_in_real_time(launch, tmp_path):
    agent = agent_for("CartPole-v1", tmp_path / "agent.pickle")
    path = tmp_path / "cart.gif"
    result = enjoyed(launch("-m", "mpi_pgpe.enjoy", agent, "--episodes", 2, "--video", path, "--json", ranks=2))
    reader = imageio.get_reader(path)
    frames = [np.asarray(frame)[..., :3] for frame in reader]
    lengths = result["lengths"]
    assert len(frames) == sum((length + 1) // 2 for length in lengths)  # 50 frames a second are too many for a gif
    assert reader.get_meta_data()["duration"] == 40
    assert any((a != b).any() for a, b in itertools.pairwise(frames))


def test_the_camera_follows_a_walker():
    """Ten metres on, the ant is where it was in the picture; a camera that stands still has lost it."""
    env = envs.make("AntBulletEnv-v0", {"render_mode": "rgb_array"})

    def ant_in(frame):  # the ground is blue, grey and white; the ant is green, red and yellow
        r, g, b = frame.astype(int).transpose(2, 0, 1)
        rows, columns = np.nonzero((g > b + 40) | (r > b + 60))
        return len(rows), rows.mean(), columns.mean()

    try:
        env.reset(0)
        env.step(np.zeros(8, np.float32))
        count, row, column = ant_in(env.frame())
        assert count > 300
        body = getattr(env._env, "env", env._env).robot.robot_body  # within the wrapper that renders
        body.reset_position(body.get_position() + np.array([10.0, 0, 0]))
        env.step(np.zeros(8, np.float32))
        count_there, row_there, column_there = ant_in(env.frame())
    finally:
        env.close()
    assert abs(count_there - count) < count / 3
    assert abs(row_there - row) < 20
    assert abs(column_there - column) < 20


def test_a_film_of_a_walker(tmp_path):
    """PyBullet without a display; frame() through the wrapper that films."""
    env = envs.make("AntBulletEnv-v0", {"render_mode": "rgb_array"})
    with Film(tmp_path / "ant.mp4", env.frames_per_second) as film:
        watched = ViewedEnvironment(env, film)
        watched.reset(0)
        for _ in range(30):
            watched.step(np.ones(8, np.float32))
        assert not (tmp_path / "ant.mp4").exists()  # never half written
    env.close()
    frames = [np.asarray(frame) for frame in imageio.get_reader(tmp_path / "ant.mp4")]
    assert len(frames) == 30
    assert frames[0].std() > 20
    assert np.abs(frames[0][40:].astype(int) - frames[-1][40:]).mean() > 2


class Grey:
    def frame(self):
        return np.full((16, 160, 3), 128, np.uint8)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_film_has_the_permissions_of_any_new_file(tmp_path, name):
    before = os.umask(0o027)
    try:
        with Film(tmp_path / name, 30) as film:
            film(Grey(), 0, 0.0)
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


def test_a_film_given_up_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), Film(tmp_path / "a.mp4", 30):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    with pytest.raises(WrongInput, match="expected a film's name"):
        Film(tmp_path / "a.txt", 30)


@pytest.mark.parametrize("when", ["at the first frame", "at the end"])
def test_a_film_that_cannot_be_written_is_one_line(tmp_path, capsys, monkeypatch, when):
    """A full disk, and a folder that took the film's name meanwhile."""
    if when == "at the end":
        monkeypatch.setattr(Film, "__enter__", lambda film: film.path.mkdir() or film)
    else:

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(imageio, "get_writer", full)
    agent = agent_for("CartPole-v1", tmp_path / "agent.pickle")
    assert enjoy.main([str(agent), "--video", str(tmp_path / "a.mp4")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "a.mp4: cannot be written: " in err
    assert sorted(os.listdir(tmp_path)) == (["a.mp4", "agent.pickle"] if when == "at the end" else ["agent.pickle"])


def test_a_film_of_mujoco(launch, tmp_path):
    """Without a display; the return is that of the plain run."""
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    agent, path = agent_for("mpi_pgpe/Humanoid-v2", tmp_path / "agent.pickle"), tmp_path / "film.mp4"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")}
    command = ("-m", "mpi_pgpe.enjoy", agent, "--episodes", 1, "--json")
    result = enjoyed(launch(*command, "--video", path, env=environment))
    assert result == enjoyed(launch(*command, env=environment))
    frames = [np.asarray(frame).astype(int) for frame in imageio.get_reader(path)]
    assert len(frames) == result["lengths"][0] > 5
    assert frames[0].shape == (480, 480, 3)
    assert frames[0][60:].std() > 20
    assert all(np.abs(a[60:] - b[60:]).max() > 50 for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize("name", ["gymnasium/Walker2d-v5", "mpi_pgpe/Humanoid-v2"])
def test_mujocos_camera_follows_a_walker(launch, name):
    """Eight metres on, which are four squares of the floor, the picture is the same."""
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    done = launch("-c", FOLLOWED, name)
    assert done.returncode == 0, done.stderr
    moved, lost = map(float, done.stdout.split())
    assert moved < lost / 2, (moved, lost)


FOLLOWED = """
import sys
import mujoco
import numpy as np
from mpi_pgpe import envs

env = envs.make(sys.argv[1], {"render_mode": "rgb_array"})
env.reset(0)
world = getattr(env._env, "unwrapped", env._env)
before = env.frame().astype(int)
world.data.qpos[0] += 8
mujoco.mj_forward(world.model, world.data)
there = env.frame().astype(int)
world.model.geom_rgba[1:, 3] = 0  # all but the floor
gone = env.frame().astype(int)
print(np.abs(there - before).mean(), np.abs(gone - before).mean())
env.close()
"""

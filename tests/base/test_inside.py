"""What an environment does to its process while its code runs: the working folder, os._exit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from families import random_policy

from mpi_pgpe import envs
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.training.rollout import Rollout


@pytest.fixture(autouse=True)
def closed():
    """No environment outlives the folder that it is in."""
    yield
    envs.close_all()


def test_an_environment_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (envs.make("ending_envs:GoesElsewhere", {"assets": name}) for name in ("one", "two"))
    assert Path.cwd() == tmp_path
    for env in (first, second, first):
        assert Rollout(env).run(random_policy(env), 1).steps == 10  # finds its file in each step
        assert Path.cwd() == tmp_path
    first.remake()
    second.close()
    assert Path.cwd() == tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]  # side by side


def test_the_folder_is_put_back_after_an_episode_that_raises(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = envs.make("ending_envs:GoesElsewhere", {})
    (tmp_path / "assets/model.xml").write_text("damaged")
    with pytest.raises(AssertionError):
        Rollout(env).run(random_policy(env), 1)
    assert Path.cwd() == tmp_path


def test_a_module_that_changes_the_folder_when_imported_finds_its_files(tmp_path, monkeypatch):
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "size").write_text("7")
    (tmp_path / "goes_at_import.py").write_text(
        f"import os\nfrom faulty_envs import Plain\nos.chdir({str(assets)!r})\n"
        "class Sized(Plain):\n    def __init__(self):\n        super().__init__(int(open('size').read()))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    envs.check_name("goes_at_import:Sized")
    assert Path.cwd() == tmp_path
    env = envs.make("goes_at_import:Sized", {})
    assert Path.cwd() == tmp_path
    assert Rollout(env).run(random_policy(env), 1).steps == 7


def test_a_folder_that_is_gone_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path)
    os.chdir("gone")
    os.rmdir(tmp_path / "gone")
    with Inside() as inside:
        os.chdir(tmp_path)
    assert inside.folder == str(tmp_path)


def test_os_exit_raises_inside_but_not_in_a_forked_process():
    leave = os._exit
    with Inside(), pytest.raises(SystemExit, match=r"os\._exit\(0\) was called"):
        os._exit(0)
    with Inside():
        child = os.fork()
        if child == 0:
            try:
                os._exit(7)
            finally:
                leave(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert os._exit is leave

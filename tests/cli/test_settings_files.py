"""What files of settings say arrives as it is written, or is refused in one line; nothing in them is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.cli.updates import read_file
from mpi_pgpe.training.settings import Settings

pytestmark = pytest.mark.serial

yaml = pytest.importorskip("yaml", reason="files of YAML need pyyaml")


def said(folder: Path, name: str, content: str) -> dict[str, Any]:
    path = folder / name
    path.write_text(content)
    return read_file(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11:30:00", "11:30:00"),  # 41400 in YAML 1.1
        ("1-02:03:04", "1-02:03:04"),
        ("1e5", 1e5),  # text there
        ("1E+5", 1e5),
        ("-.5", -0.5),
        ("no", "no"),  # False there
        ("010", 10),  # 8 there
        ("0", 0),
        ("2020-01-01", "2020-01-01"),  # a date there
        ("~", None),
        ("None", None),
        ("True", True),
        ("'1e5'", "1e5"),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
    ],
)
def test_yaml_has_the_types_of_the_settings(tmp_path: Path, text: str, value: Any) -> None:
    found = said(tmp_path, "s.yaml", f"x: {text}\n")
    assert found == {"x": value}
    assert type(found["x"]) is type(value) or value == 10


def test_times_and_numbers_of_yaml_are_those_of_the_command_line(tmp_path: Path) -> None:
    found = said(tmp_path, "s.yml", "max_walltime: 11:30:00\nnum_interactions: 1e5\n")
    settings = Settings.check({"seed": 1} | found)
    assert settings.max_walltime_seconds == 41_400
    assert (settings.num_interactions, type(settings.num_interactions)) == (100_000, int)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("s.json", '{"niters": 3, "niters": 4}', "an entry stands there twice: 'niters'"),
        ("s.json", '{"env_config": {"a": {"b": 1, "b": 2}}}', "an entry stands there twice: 'b'"),
        ("s.yaml", "niters: 3\npopsize: 4\nniters: 4\n", "an entry stands there twice: 'niters'"),
        ("s.yaml", "env_config: {a: {b: 1, b: 2}}\n", "an entry stands there twice: 'b'"),
        ("s.yaml", "a: &a [1]\nb: *a\n", "an alias"),
        ("s.yaml", "a: !!python/object/apply:os.system [touch pwned]\n", "could not determine a constructor"),
        ("s.yaml", "a: !!python/name:os.system ''\n", "could not determine a constructor"),
        ("s.yaml", "---\na: 1\n---\na: 2\n", "a single document"),
    ],
)
def test_what_is_no_plain_value_or_would_vanish_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongInput) as caught:
        said(tmp_path, name, content)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_tags_that_rebuild_objects_are_plain_text_in_json(tmp_path: Path) -> None:
    content = {"notes": {"py/object/apply": ["os.system", ["touch pwned"]]}, "x": {"py/tuple": [1, 2]}}
    assert said(tmp_path, "s.json", json.dumps(content)) == content

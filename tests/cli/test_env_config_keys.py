"""Arguments of environments arrive as they are written, or are refused in one line, from wherever they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpi_pgpe.train import main
from mpi_pgpe.training.settings import BadSettings, check_value

pytestmark = pytest.mark.serial

REFUSED: list[tuple[dict[Any, Any], str]] = [
    ({"weights": {"joint.hip": 1.0}}, "joint.hip"),
    ({"a.b": 1}, "a.b"),
    ({"arguments": {"": 1}}, "''"),
    ({"arguments": {1: 2.0}}, "1"),
    ({"arguments": {None: 2.0}}, "None"),
    ({"arguments": [{"x": [{"y.z": 1}]}]}, "y.z"),
    ({"arguments": {"py/object": "os.system"}}, "py/object"),
    ({"arguments": {"py/tuple": [1, 2]}}, "py/tuple"),
    ({"arguments": {"$set": 1}}, "$set"),
    ({"arguments": {"a=b": 1}}, "a=b"),
]
TAKEN: list[dict[str, Any]] = [
    {},
    {"gravity": -9.81, "name": "a.b", "none": None, "flag": True, "big": 2**70, "tiny": 5e-324},
    {"nested": {"a b": {"ä": [1, [2.5, {"c": "py/object"}], "x=y"]}}, "empty": {"list": [], "text": ""}},
]


@pytest.mark.parametrize("name", ["env_config", "re_eval_env_config"])
class TestKeys:
    @pytest.mark.parametrize(("config", "key"), REFUSED)
    def test_what_would_arrive_otherwise_is_refused(self, name: str, config: dict[Any, Any], key: str) -> None:
        with pytest.raises(BadSettings, match=rf"^{name}: expected .*keys?.*, got ") as refusal:
            check_value(name, config)
        assert key in str(refusal.value)

    @pytest.mark.parametrize("config", TAKEN)
    def test_the_rest_arrives_as_it_is_written(self, name: str, config: dict[str, Any]) -> None:
        assert json.dumps(check_value(name, config)) == json.dumps(config)

    @pytest.mark.parametrize(("config", "key"), REFUSED)
    def test_on_the_command_line(self, name: str, config: dict[Any, Any], key: str, capfd: Any) -> None:
        assert main(["print_config", "with", f"{name}={config!r}"]) == 2
        refusal = capfd.readouterr().err
        assert refusal.startswith(f"train: {name}: expected ")
        assert refusal.count("\n") == 1
        assert key in refusal

    @pytest.mark.parametrize("update", [".=1", ".a..b=1", ".={'x': 1}", ".py/object=1"])
    def test_in_a_path_of_entries(self, name: str, update: str, capfd: Any) -> None:
        assert main(["print_config", "with", f"{name}{update}"]) == 2
        assert capfd.readouterr().err.startswith(f"train: {name}: expected ")

    @pytest.mark.parametrize(("config", "key"), REFUSED[:3])
    @pytest.mark.parametrize("suffix", ["json", "yaml"])
    def test_in_files(
        self, name: str, config: dict[Any, Any], key: str, suffix: str, tmp_path: Path, capfd: Any
    ) -> None:
        file = tmp_path / f"settings.{suffix}"
        file.write_text(json.dumps({name: config}))  # which YAML reads, too
        assert main(["print_config", "with", str(file)]) == 2
        refusal = capfd.readouterr().err
        assert f"{name}: expected " in refusal
        assert refusal.count("\n") == 1

"""The settings of a function in place of an environment: rows of the table in settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpi_pgpe.base.checks import check_finite, check_flag, check_whole
from mpi_pgpe.training import setting_checks as checks
from mpi_pgpe.training.setting import Setting, make_field


def _function_name(name: str, value: Any) -> str:
    """The name of a function; whether there is one of this name is looked at later."""
    parts = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (parts[0].strip() and parts[2].strip()):
        raise ValueError(f"{name}: expected module:name, got {value!r}")
    return str(value)


def _even(name: str, value: Any) -> int:
    """A number of solutions: mirrored pairs."""
    size = check_whole(name, value, 2)
    if size % 2:
        raise ValueError(f"{name}: expected an even number, as solutions come in mirrored pairs, got {value!r}")
    return size


def _point(name: str, value: Any) -> float | list[float]:
    """A number for all parameters, or one for each."""
    if isinstance(value, (list, tuple)):
        return [check_finite(name, each) for each in value]
    return check_finite(name, value)


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """What every rank needs to evaluate a function."""

    # fmt: off
    function: str | None = make_field(
        None, checks.or_none(_function_name), "function",
        "module:name of a function to maximize, in place of training in an environment", before=None,
        aliases=("fitness", "objective", "objective_func", "fitness_function"),
    )
    solution_length: int | None = make_field(
        None, checks.or_none(check_whole), "function", "number of parameters of the function", before=None,
        aliases=("num_parameters", "dimension", "num_dims"),
    )
    init: float | Sequence[float] = make_field(
        0.0, _point, "function", "center to begin at: a number for all parameters, or a list", before=0.0,
        aliases=("x0", "initial_center"),
    )
    batch: bool = make_field(
        False, check_flag, "function", "call it with an array of solutions, for an array of fitnesses", before=False,
        aliases=("vectorized",),
    )
    batch_size: int = make_field(
        100, _even, "function", "with batch: most solutions in a call; no number of ranks changes it", before=100,
    )

    # fmt: on
    @property
    def solutions_per_call(self) -> int:
        """How many solutions are evaluated together."""
        return self.batch_size if self.batch else 1


OF_ENVIRONMENTS = (
    *("env_name", "re_eval_env_name", "env_config", "re_eval_env_config", "wrappers", "env_fast", "env_reuse"),
    *("max_episode_length", "re_eval_max_episode_length", "obs_norm", "obs_stdev_floor"),
)
"""Settings without a meaning for a function, beside those of the group "policy"."""


def check_function(values: Mapping[str, Any], table: Mapping[str, Setting], defaults: Mapping[str, Any]) -> None:
    """Refuse settings that do not fit each other; `defaults` are those of a run with the other settings.

    Raises:
        ValueError: some do not; the message says what was expected.
    """
    function, length = values["function"], values["solution_length"]
    if function is None:
        if values["env_name"] == "":
            raise ValueError("env_name: expected the name of an environment, got ''")
        for name, each in table.items():
            if each.group == "function" and values[name] != each.default:
                raise ValueError(f"{name}: expected function=module:name with it, got {name}={values[name]!r} alone")
        return
    if length is None:
        raise ValueError(f"solution_length: expected the number of parameters of {function}, got None")
    for name, each in table.items():
        if (name in OF_ENVIRONMENTS or each.group == "policy") and values[name] != defaults[name]:
            raise ValueError(
                f"{name}: means nothing with function={function}, which has no environment and no policy; got "
                f"{values[name]!r:.100}"
            )
    init = values["init"]
    if isinstance(init, list) and len(init) != length:
        raise ValueError(f"init: expected a number, or solution_length={length} of them, got {len(init)}")
    if values["init_from"] is not None and init != 0.0:
        raise ValueError("init: expected init or init_from, got both")

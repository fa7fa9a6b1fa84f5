"""The settings of a training run, checked before any work begins."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from numpy.typing import ArrayLike

from mpi_pgpe.base.checks import even_popsize, finite, not_negative, positive, true_or_false, whole
from mpi_pgpe.policies.network import MOST_HIDDEN
from mpi_pgpe.search.noise import weighted_sums
from mpi_pgpe.search.optimizers import OPTIMIZERS
from mpi_pgpe.search.pgpe import PGPE, SumDirections

PLACES_AND_TIMES = {
    "checkpoint",
    "checkpoint_interval",
    "checkpoint_seconds",
    "resume",
    "max_walltime",
    "finish_generation",
}
"""Settings that say where and how long, and nothing about the result."""

_MAY_CHANGE = PLACES_AND_TIMES | {
    "env_fast",  # the same results
    "niters",
    "target_return",
    "save_interval",
    "re_eval_interval",
    "on_episode_error",  # a run that failed goes on with another
    "max_episode_errors",
    "episode_timeout",
    "notes",
}


class BadSettings(ValueError):
    """A setting that cannot be; the message says what was expected and what came."""


@dataclass(frozen=True)
class Settings:
    """All that a training run depends on; see the table in the README."""

    env_name: str
    seed: int
    re_eval_env_name: str | None = None
    env_config: Mapping[str, Any] = field(default_factory=dict)
    re_eval_env_config: Mapping[str, Any] | None = None
    env_fast: bool = True
    obs_norm: bool = True
    niters: int = 1000
    popsize: int = 200
    popsize_max: int | None = None
    num_interactions: int | None = None
    max_speed: float = 0.15
    center_lr: float | None = None
    radius: float | None = None
    stdev_lr: float = 0.1
    hidden_size: int = 64
    num_hidden: int = 0
    decrease_rewards_by: float = 0.0
    max_episode_length: int | None = None
    num_episodes: int = 1
    common_random_numbers: bool = False
    save_interval: int = 10
    re_eval_interval: int = 10
    re_eval_num_episodes: int = 16
    target_return: float | None = None
    optimizer: str = "clipup"
    solution_ranking: bool = True
    env_reuse: bool = True
    on_episode_error: str = "fail"
    max_episode_errors: int = 10
    episode_timeout: float | None = None
    checkpoint: str | None = None
    checkpoint_interval: int = 1
    checkpoint_seconds: float = 30.0
    resume: str | None = None
    max_walltime: str | None = None
    finish_generation: bool = False
    init_from: str | None = None
    notes: str = ""

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from plain values, in the types that they must have.

        Raises:
            BadSettings: for the first value that cannot be.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise BadSettings(f"unknown settings: {', '.join(sorted(unknown))}")
        given = dict(values)
        try:
            for name, convert in _CONVERT.items():
                if name in given:
                    given[name] = convert(name, given[name])
            settings = cls(**given)
            settings.make_search(1)
        except ValueError as error:
            raise BadSettings(str(error)) from None
        return settings

    @staticmethod
    def check_value(name: str, value: Any) -> None:
        """Raise BadSettings if the setting `name` cannot be `value`; unknown names pass."""
        try:
            _CONVERT.get(name, lambda *_: None)(name, value)
        except ValueError as error:
            raise BadSettings(str(error)) from None

    @property
    def hidden(self) -> tuple[int, ...]:
        """Sizes of the policy's hidden layers."""
        return (self.hidden_size,) * self.num_hidden

    @property
    def re_evaluation(self) -> tuple[str, dict[str, Any]]:
        """Name and keyword arguments of the environment for re-evaluation."""
        name = self.re_eval_env_name or self.env_name
        config = self.re_eval_env_config
        if config is None:
            config = self.env_config if name == self.env_name else {}
        return name, dict(config)

    def of_the_run(self) -> dict[str, Any]:
        """All settings but those of where and how long: a run that is resumed elsewhere has the same."""
        return {name: value for name, value in asdict(self).items() if name not in PLACES_AND_TIMES}

    def of_the_result(self) -> dict[str, Any]:
        """The settings that have to be the same where a run is resumed."""
        return {name: value for name, value in asdict(self).items() if name not in _MAY_CHANGE}

    @property
    def max_walltime_seconds(self) -> float | None:
        """`max_walltime` in seconds."""
        return None if self.max_walltime is None else _seconds(self.max_walltime)

    def make_search(
        self, solution_length: int, sum_directions: SumDirections = weighted_sums, center_init: ArrayLike = 0.0
    ) -> PGPE:
        """The search distribution that a run with these settings begins with, around `center_init`."""
        radius = self.max_speed * 15 if self.radius is None else self.radius
        return PGPE(
            solution_length=solution_length,
            popsize=self.popsize,
            popsize_max=self.popsize_max,
            num_interactions=self.num_interactions,
            optimizer=self.optimizer,
            optimizer_config={"max_speed": self.max_speed} if self.optimizer == "clipup" else {},
            center_learning_rate=self.center_lr,
            stdev_learning_rate=self.stdev_lr,
            center_init=center_init,
            stdev_init=math.sqrt(radius**2 / solution_length),
            solution_ranking=self.solution_ranking,
            seed=self.seed,
            sum_directions=sum_directions,
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, got {value!r}")
    return value


def _env_name(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: expected the name of an environment, got {value!r}")
    return value


def _keywords(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name}: expected keyword arguments, such as {{'gravity': -5.0}}, got {value!r}")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(value))  # they travel to all ranks, and into agents
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, text, lists and dictionaries, got {value!r} ({error})") from None
    return plain


def _optimizer(name: str, value: Any) -> str:
    if value not in OPTIMIZERS:
        raise ValueError(f"{name}: expected one of {', '.join(OPTIMIZERS)}, got {value!r}")
    return str(value)


def _or_none(convert: Any) -> Any:
    def convert_or_none(name: str, value: Any) -> Any:
        if value is None:
            return None
        try:
            return convert(name, value)
        except ValueError as error:
            raise ValueError(str(error).replace("expected ", "expected None or ", 1)) from None

    return convert_or_none


def _on_episode_error(name: str, value: Any) -> str:
    if value not in ("fail", "worst"):
        raise ValueError(f"{name}: expected fail or worst, got {value!r}")
    return str(value)


def _seconds(text: str) -> float:
    """Seconds in HH:MM:SS or, as Slurm has it, D-HH:MM:SS."""
    days, hours, minutes, seconds = (int(part or 0) for part in _TIME.fullmatch(text).groups())  # type: ignore[union-attr]
    return float(((24 * days + hours) * 60 + minutes) * 60 + seconds)


_TIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


def _walltime(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(f"{name}: expected HH:MM:SS, such as 11:30:00, got {value!r}")
    return value


def _seed(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:  # numpy's range, for sacred
        raise ValueError(f"{name}: expected a whole number from 0 to {2**32 - 1}, got {value!r}")
    return value


def _layer_size(name: str, value: Any) -> int:
    size = whole(name, value)
    if size > 2**16:
        raise ValueError(f"{name}: expected at most {2**16} units in a layer, got {value!r}")
    return size


def _layers(name: str, value: Any) -> int:
    layers = whole(name, value, 0)
    if layers > MOST_HIDDEN:
        raise ValueError(f"{name}: expected at most {MOST_HIDDEN} hidden layers, got {value!r}")
    return layers


def _from_zero(name: str, value: Any) -> int:
    return whole(name, value, 0)


_CONVERT: dict[str, Any] = {
    "env_name": _env_name,
    "seed": _seed,
    "re_eval_env_name": _or_none(_env_name),
    "env_config": _keywords,
    "re_eval_env_config": _or_none(_keywords),
    "env_fast": true_or_false,
    "obs_norm": true_or_false,
    "niters": whole,
    "popsize": lambda _, value: even_popsize(value),
    "popsize_max": _or_none(whole),
    "num_interactions": _or_none(whole),
    "max_speed": positive,
    "center_lr": _or_none(positive),
    "radius": _or_none(positive),
    "stdev_lr": positive,
    "hidden_size": _layer_size,
    "num_hidden": _layers,
    "decrease_rewards_by": finite,
    "max_episode_length": _or_none(whole),
    "num_episodes": whole,
    "common_random_numbers": true_or_false,
    "save_interval": whole,
    "re_eval_interval": whole,
    "re_eval_num_episodes": whole,
    "target_return": _or_none(finite),
    "optimizer": _optimizer,
    "solution_ranking": true_or_false,
    "env_reuse": true_or_false,
    "on_episode_error": _on_episode_error,
    "max_episode_errors": _from_zero,
    "episode_timeout": _or_none(positive),
    "checkpoint": _or_none(_text),
    "checkpoint_interval": whole,
    "checkpoint_seconds": not_negative,
    "resume": _or_none(_text),
    "max_walltime": _or_none(_walltime),
    "finish_generation": true_or_false,
    "init_from": _or_none(_text),
    "notes": _or_none(_text),
}

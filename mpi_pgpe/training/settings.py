"""The table of settings: each with its default, check, comment, group, and what a resume may do with it.

All else is made from it: sacred's entries (cli/configs.py), what the ranks get (job.py), the refusals, and the table in
docs/configuration.md (docs/settings_table.py writes it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mpi_pgpe.base.checks import (
    check_finite,
    check_flag,
    check_not_negative,
    check_path,
    check_positive,
    check_whole,
)
from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.policies.normalization import STDEV_FLOOR
from mpi_pgpe.training import setting_checks as checks
from mpi_pgpe.training.function_settings import FunctionSettings, check_function
from mpi_pgpe.training.policy_settings import PolicySettings
from mpi_pgpe.training.search_settings import TINY_TRAJ, SearchSettings
from mpi_pgpe.training.setting import Follows, build_table, fill_defaults, make_field


class BadSettings(WrongInput):
    """A setting that cannot be; the message says what was expected and what came."""


@dataclass(frozen=True, kw_only=True)
class RankSettings(PolicySettings, FunctionSettings):
    """The settings that every rank needs to run episodes."""

    # fmt: off
    env_name: str = make_field(
        Follows(f"'{TINY_TRAJ}' if function is None else ''"),
        checks.env_name, "environment", "environment to train in: ID, module:ID or module:Class",
        aliases=("env", "env_id", "environment", "task"),
    )
    env_config: Mapping[str, Any] = make_field(
        {}, checks.keywords, "environment", "keyword arguments for the environment", aliases=("env_kwargs", "env_args"),
    )
    wrappers: Sequence[Any] = make_field(
        [], checks.wrappers, "environment",
        "wrappers of gym or gymnasium, or module:name, innermost first; a dictionary behind one holds its arguments",
        aliases=("wrapper", "env_wrappers", "wrapper_class"), before=[],
    )
    re_eval_env_name: str | None = make_field(
        Follows(f"'HumanoidBulletEnv-v0' if env_name == '{TINY_TRAJ}' else None"),
        checks.or_none(checks.env_name, ""), "environment", "for re-evaluation; None: env_name", aliases=("eval_env",),
    )
    re_eval_env_config: Mapping[str, Any] | None = make_field(
        None, checks.or_none(checks.keywords), "environment",
        "keyword arguments for it; None: env_config if the names are the same",
    )
    env_fast: bool = make_field(
        True, check_flag, "environment", "walkers of PyBullet and MuJoCo on a faster path with the same results",
        resume="may change",
    )
    env_reuse: bool = make_field(
        True, check_flag, "environment",
        "False: a new environment for every episode, for one that leaks from one into the next",
    )
    decrease_rewards_by: float = make_field(
        0.0, check_finite, "environment", "subtracted from the reward of each step in training (a survival bonus, say)",
        aliases=("alive_bonus",),
    )
    max_episode_length: int | None = make_field(
        None, checks.or_none(check_whole, -1), "environment",
        "most steps of an episode, but for re-evaluations; None: the environment's own limit",
        aliases=("max_episode_steps", "max_steps", "episode_length"),
    )
    re_eval_max_episode_length: int | None = make_field(
        None, checks.or_none(check_whole, -1), "environment",
        "most steps of an episode of re-evaluations; None: the environment's own limit, 100,000 where it has none",
        aliases=("eval_max_episode_length",), before=None,
    )
    num_episodes: int = make_field(
        1, check_whole, "environment", "a solution's fitness is its mean over so many episodes",
        aliases=("episodes_per_solution", "n_episodes"),
    )
    common_random_numbers: bool = make_field(
        False, check_flag, "environment",
        "both members of a mirrored pair start from the same environment seed",
    )
    obs_stdev_floor: float = make_field(
        STDEV_FLOOR, check_positive, "environment",
        "normalization divides observations by their stdev, or by this where their stdev is less",
        before=STDEV_FLOOR
    )
    seed: int = make_field(
        None, checks.seed, "search", "fixes everything: noise, environments, results", shown="random",
        aliases=("random_seed",),
    )
    on_episode_error: str = make_field(
        "fail", checks.one_of("fail", "worst"), "failures",
        "fail: the run ends; worst: the episode gets the worst fitness, and counts as failed", resume="may change",
    )
    episode_timeout: float | None = make_field(
        None, checks.or_none(check_positive), "failures",
        "seconds that an episode may take; one that takes longer has failed; None: no limit", resume="may change",
    )

    # fmt: on
    @property
    def re_evaluation(self) -> tuple[str, dict[str, Any]]:
        """Name and keyword arguments of the environment for re-evaluation."""
        name = self.re_eval_env_name or self.env_name
        config = self.re_eval_env_config
        if config is None:
            config = self.env_config if name == self.env_name else {}
        return name, dict(config)


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings, RankSettings):
    """All that a training run depends on; make it with `Settings.check`, which knows the defaults."""

    # fmt: off
    obs_norm: bool = make_field(
        True, check_flag, "environment", "normalize observations by the mean and stdev of all those seen so far",
        aliases=("normalize_observations", "observation_normalization", "norm_obs"),
    )
    niters: int = make_field(
        Follows(f"500 if function is not None else 1000 if env_name == '{TINY_TRAJ}' else 200"),
        check_whole, "stopping", "generations", resume="may change",
        aliases=("generations", "num_generations", "n_generations", "iterations", "num_iterations", "n_iter", "epochs"),
    )
    target_return: float | None = make_field(
        None, checks.or_none(check_finite), "stopping", "stop once a re-evaluation's mean return reaches it",
        resume="may change", aliases=("target_fitness", "solved_at"),
    )
    max_walltime: str | None = make_field(
        None, checks.or_none(checks.walltime, -1, 0, "UNLIMITED", "INFINITE"), "stopping",
        "HH:MM:SS (or another form of Slurm's) from the program's start: checkpoint and exit code 75 before then",
        resume="not of the run", aliases=("time_limit", "walltime", "max_time"),
    )
    finish_generation: bool = make_field(
        False, check_flag, "stopping", "when asked to stop (SIGTERM, SIGUSR1): finish the running generation first",
        resume="not of the run",
    )
    save_interval: int = make_field(
        10, check_whole, "saving", "save the center at every so many generations", resume="may change",
        aliases=("save_every", "save_freq"),
    )
    re_eval_interval: int = make_field(
        10, checks.from_zero, "saving", "re-evaluate the center at every so many generations; 0: at the end alone",
        resume="may change", aliases=("eval_interval", "eval_every", "eval_freq"),
    )
    re_eval_num_episodes: int = make_field(
        Follows("16 if function is None else 1"), check_whole, "saving", "episodes of a re-evaluation",
        aliases=("eval_episodes", "n_eval_episodes"),
    )
    checkpoint: str | None = make_field(
        None, checks.or_none(check_path), "saving", "folder for checkpoints; None: the run's own",
        resume="not of the run", aliases=("checkpoint_dir", "checkpoint_folder"),
    )
    checkpoint_interval: int = make_field(
        1, check_whole, "saving", "a checkpoint at every so many generations, if checkpoint_seconds have passed",
        resume="not of the run", aliases=("checkpoint_every", "checkpoint_freq"),
    )
    checkpoint_seconds: float = make_field(
        30, check_not_negative, "saving", "no checkpoint while the last one is younger than so many seconds",
        resume="not of the run",
    )
    resume: str | None = make_field(
        None, checks.or_none(check_path), "saving",
        "a checkpoint, or a folder of them, to go on from; auto: the newest of this configuration, if any",
        resume="not of the run",
    )
    resume_strict: bool = make_field(
        False, check_flag, "saving",
        "refuse to go on with other versions of Python, numpy, the simulators or mpi_pgpe; False: tell what changes",
        resume="not of the run",
    )
    notes: str | None = make_field(
        "", checks.or_none(checks.text), "saving", "free text that is stored with the agents", resume="may change",
    )
    max_episode_errors: int = make_field(
        10, checks.from_zero, "failures",
        "with on_episode_error=worst: the run ends after more failed episodes in a generation", resume="may change",
    )

    # fmt: on
    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from plain values, in the types that they must have, with the defaults of those that are missing.

        Raises:
            BadSettings: for the first value that cannot be.
        """
        unknown = set(values) - set(TABLE)
        if unknown:
            raise BadSettings(f"unknown settings: {', '.join(sorted(unknown))}")
        values = {"seed": None} | dict(values)  # the only one without a default
        given = {name: check_value(name, values[name]) for name in TABLE if name in values}
        settings = cls(**fill_defaults(TABLE, given))
        try:
            defaults = fill_defaults(TABLE, {"seed": 0, "function": settings.function})
            check_function(vars(settings), TABLE, defaults)
            settings.check_policy()
            settings.check_search()
        except ValueError as error:
            raise BadSettings(str(error)) from None
        return settings

    @property
    def name(self) -> str:
        """Of the function or environment."""
        return self.function or self.env_name

    @property
    def normalizes(self) -> bool:
        """Whether observations are normalized."""
        return self.obs_norm and self.function is None

    def describe_run(self) -> dict[str, Any]:
        """All settings but those of where and how long: a run that is resumed elsewhere has the same."""
        return {name: value for name, value in asdict(self).items() if TABLE[name].resume != "not of the run"}

    def describe_result(self) -> dict[str, Any]:
        """The settings that have to be the same where a run is resumed.

        Without those that are as they were before there was such a setting, so that earlier checkpoints fit.
        """
        return {
            name: value
            for name, value in asdict(self).items()
            if TABLE[name].resume == "same" and value != TABLE[name].before
        }

    @property
    def max_walltime_seconds(self) -> float | None:
        """`max_walltime` in seconds."""
        return None if self.max_walltime is None else float(checks.seconds(self.max_walltime))


TABLE = build_table(Settings, RankSettings)
"""The rows by name, in the order of the groups."""


def check_value(name: str, value: Any) -> Any:
    """A good value of the setting `name`, made of `value`.

    Raises:
        BadSettings: it cannot be.
    """
    try:
        return TABLE[name].check(name, value)
    except ValueError as error:
        raise BadSettings(str(error)) from None

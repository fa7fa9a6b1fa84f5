"""The settings of the search: rows of the table in settings.py, and the optimizer's arguments that they describe."""

from __future__ import annotations

from dataclasses import dataclass

from mpi_pgpe.base.checks import (
    check_flag,
    check_fraction,
    check_not_negative,
    check_path,
    check_positive,
    check_whole,
)
from mpi_pgpe.search.arguments import compute_max_rounds
from mpi_pgpe.search.optimizers import list_arguments, make_optimizer
from mpi_pgpe.search.ranking import TIE_BREAKING
from mpi_pgpe.training import setting_checks as checks
from mpi_pgpe.training.setting import Follows, make_field

TINY_TRAJ = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
"""The environment of the bare command."""

_OF_OPTIMIZERS = ("momentum", "beta1", "beta2", "epsilon")


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How the search begins, and how it is updated; the seed is among the settings of all ranks."""

    # fmt: off
    popsize: int | None = make_field(
        Follows(f"200 if function is not None else 10000 if env_name == '{TINY_TRAJ}' else None"),
        checks.popsize, "search",
        "solutions in a round (even: mirrored pairs); None: 2 * sqrt(parameters), from 40 to 200",
        aliases=("population_size", "pop_size", "population", "num_solutions"),
    )
    popsize_max: int | None = make_field(
        80000, checks.or_none(check_whole, -1), "search", "most solutions in a generation; None: no limit",
    )
    num_interactions: int | None = make_field(
        Follows("popsize * 200 * 3 // 4 if function is None and popsize else None"),
        checks.or_none(check_whole, -1), "search",
        "a generation goes on until it made so many steps; None: one round",
    )
    stdev: float | None = make_field(
        None, checks.or_none(check_positive), "search", "initial stdev; None: radius / sqrt(parameters)", before=None,
        aliases=("sigma", "stdev_init", "sigma_init", "noise_stdev", "init_stdev"),
    )
    max_speed: float = make_field(
        Follows("0.15 if function is None else (stdev * solution_length ** 0.5 if stdev else radius or 2.25) / 15"),
        check_positive, "search", "ClipUp: largest length of a step of the center",
    )
    center_lr: float | None = make_field(
        Follows("max_speed / 2"), checks.or_none(check_positive), "search",
        "step size of the center; follows max_speed unless set",
        aliases=("lr", "learning_rate", "center_learning_rate", "step_size", "stepsize", "alpha"),
    )
    radius: float | None = make_field(
        Follows("max_speed * 15"), checks.or_none(check_positive), "search",
        "initial stdev = radius / sqrt(parameters); follows max_speed unless set",
        aliases=("radius_init",),
    )
    stdev_lr: float = make_field(
        0.1, check_not_negative, "search", "step size of the stdev; 0 keeps it as it is",
        aliases=("stdev_learning_rate", "sigma_lr"),
    )
    optimizer: str = make_field("clipup", checks.optimizer, "search", "clipup, adam or sgd")
    momentum: float | None = make_field(
        None, checks.or_none(check_fraction), "search",
        "clipup and sgd: share of the velocity that is kept; None: 0.9 and 0",
        before=None,
    )
    beta1: float | None = make_field(
        None, checks.or_none(check_fraction), "search", "adam: decay of the mean of gradients; None: 0.9", before=None,
        aliases=("adam_beta1",),
    )
    beta2: float | None = make_field(
        None, checks.or_none(check_fraction), "search", "adam: decay of the mean of squared gradients; None: 0.999",
        before=None, aliases=("adam_beta2",),
    )
    epsilon: float | None = make_field(
        None, checks.or_none(check_positive), "search", "adam: added to the root of that mean; None: 1e-8", before=None,
        aliases=("adam_epsilon", "eps"),
    )
    solution_ranking: bool = make_field(
        True, check_flag, "search", "weigh solutions by centered ranks; False: by their fitnesses",
        aliases=("ranking", "ranking_method", "centered_ranks"),
    )
    tie_breaking: str = make_field(
        "average", checks.one_of(*TIE_BREAKING), "search",
        "equal fitnesses: average: share the mean of their ranks; order: are ranked in their order, as 0.1.0 did",
        before="order", aliases=("ties",),
    )
    init_from: str | None = make_field(
        None, checks.or_none(check_path), "search",
        "file of a saved agent: begin at its center and running statistics; None: at zero",
        aliases=("center_init", "initial_agent"),
    )
    # fmt: on
    @property
    def optimizer_config(self) -> dict[str, float]:
        """Arguments of the optimizer: what is set of momentum, beta1, beta2 and epsilon, and for clipup max_speed."""
        every = {name: getattr(self, name) for name in _OF_OPTIMIZERS}
        config = {name: value for name, value in every.items() if value is not None}
        return config | ({"max_speed": self.max_speed} if self.optimizer == "clipup" else {})

    def check_search(self) -> None:
        """Raise ValueError if these settings do not fit each other."""
        if self.popsize is not None:
            compute_max_rounds(self.popsize, self.popsize_max)
        taken = [name for name in _OF_OPTIMIZERS if name in list_arguments(self.optimizer)]
        for name in sorted(self.optimizer_config.keys() - {*taken, "max_speed"}):
            raise ValueError(
                f"{name}: means nothing with optimizer={self.optimizer}, which has {', '.join(taken)}; "
                f"got {getattr(self, name)!r}"
            )
        make_optimizer(self.optimizer, 1, self.center_lr, self.optimizer_config)

"""The default configuration, which is that of the table of settings, and the prepared ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpi_pgpe.training.setting import Follows
from mpi_pgpe.training.settings import TABLE


@dataclass(frozen=True)
class Configuration:
    """Entries: values by name, or how they follow from others."""

    entries: Mapping[str, Any]
    description: str


def _in_order(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Those that follow others after all others."""
    return dict(sorted(entries.items(), key=lambda entry: isinstance(entry[1], Follows)))


DEFAULT = Configuration(
    _in_order({name: each.default for name, each in TABLE.items() if name != "seed"}),
    "PyBullet's humanoid, with short episodes and no survival bonus.",
)
"""All entries but the seed, which sacred draws unless it is set."""

_BULLET_HUMANOID = (
    *("env_name", "re_eval_env_name", "obs_norm", "niters", "popsize", "popsize_max", "num_interactions"),
    *("max_speed", "radius", "hidden_size", "num_hidden", "decrease_rewards_by"),
)

NAMED = {
    "humanoid_bullet": Configuration(
        _in_order(
            {name: TABLE[name].default for name in _BULLET_HUMANOID}
            | {"niters": 1000, "popsize": 10000, "num_interactions": Follows("popsize * 200 * 3 // 4")}
        ),
        "PyBullet's humanoid, with short episodes and no survival bonus: the default, written out.",
    ),
    "humanoid": Configuration(
        {
            "env_name": "Humanoid-v2",
            "obs_norm": True,
            "niters": 1000,
            "popsize": 200,
            "popsize_max": 3200,
            "num_interactions": Follows("popsize * 1000 * 3 // 4"),
            "max_speed": 0.015,
            "radius": Follows("max_speed * 18"),
            "num_hidden": Follows("0 if hidden is None and ':' not in (policy or '') else None"),
            "decrease_rewards_by": 5.0,
        },
        "MuJoCo's Humanoid-v2 with a linear policy (ClipUp paper).",
    ),
    "walker2d": Configuration(
        {
            "env_name": "Walker2d-v2",
            "obs_norm": True,
            "niters": 500,
            "popsize": 100,
            "popsize_max": 800,
            "num_interactions": Follows("popsize * 1000 * 3 // 4"),
            "max_speed": 0.015,
            "radius": Follows("max_speed * 15"),
            "num_hidden": Follows("0 if hidden is None and ':' not in (policy or '') else None"),
            "decrease_rewards_by": 1.0,
        },
        "MuJoCo's Walker2d-v2 with a linear policy (ClipUp paper).",
    ),
    "lunarlander": Configuration(
        {
            "env_name": "LunarLanderContinuous-v2",
            "obs_norm": False,
            "niters": 50,
            "popsize": 200,
            "popsize_max": None,
            "num_interactions": None,
            "max_speed": 0.3,
            "radius": Follows("max_speed * 15"),
            "num_hidden": Follows("0 if hidden is None and ':' not in (policy or '') else None"),
            "decrease_rewards_by": 0.0,
        },
        "Box2D's LunarLanderContinuous-v2 with a linear policy: minutes on a laptop.",
    ),
    "fast": Configuration(
        {
            "env_name": "CartPole-v1",
            "niters": 30,
            "popsize": 40,
            "popsize_max": 80,
            "num_interactions": Follows("popsize * 100"),
            "max_speed": 0.3,
            "radius": Follows("max_speed * 15"),
            "hidden_size": Follows("8 if hidden is None and ':' not in (policy or '') else None"),
            "num_hidden": Follows("1 if hidden is None and ':' not in (policy or '') else None"),
            "re_eval_num_episodes": 8,
        },
        "CartPole-v1 in a few seconds, to see that everything works.",
    ),
}
"""The prepared configurations by name."""

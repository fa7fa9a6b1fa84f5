"""Whether an environment carries anything from one episode into the next.

    for situation in measure("HumanoidBulletEnv-v0", {}):
        print(situation)

The same policies play the same seeds in fresh environments and in used ones, in other orders, beside another client of
the simulator and in another process. What a training takes from an episode (return, steps, moments of the observations)
has to be the same bits each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_pgpe.cli.numbered_episodes import OTHERS, Cast, Order, Outcome, Stage, find_differences
from mpi_pgpe.cli.other_process import play_elsewhere

_LONGEST = 200  # steps of an episode here: most leaks show in the first ones

# What to do about some of what environments keep.
_ADVICE = {
    "NormalizeObservation": "leave NormalizeObservation out: obs_norm=True normalizes, the same on all ranks",
    "NormalizeReward": "leave NormalizeReward out: solutions are ranked, so the scale of rewards changes nothing",
    "qacc_warmstart": "call mj_resetData in reset(): MuJoCo's solver begins with the accelerations of the last step",
    "world": "make a new world in reset() (Box2D solves contacts in the order in which a world came to them)",
}


@dataclass
class Situation:
    """What was found of episodes played in some situation.

    Attributes:
        name: of the situation.
        episodes: that were compared with the same ones in a fresh environment.
        different: those of them that came out otherwise.
        largest: difference of their returns.
    """

    name: str
    episodes: int = 0
    different: int = 0
    largest: float = 0.0

    def __str__(self) -> str:
        if not self.different:
            return f"{self.name}: the same bits in {self.episodes} of {self.episodes} episodes"
        return f"{self.name}: {self.different} of {self.episodes} episodes differ, returns by up to {self.largest:.3g}"


def compare(name: str, outcomes: Mapping[int, Outcome], right: Mapping[int, Outcome]) -> Situation:
    """What was found of `outcomes`, beside the right ones."""
    different = find_differences([outcomes, right])
    apart = [abs(outcomes[number].total_reward - right[number].total_reward) for number in different]
    return Situation(name, len(outcomes), len(different), max(apart, default=0.0))


def measure(
    name: str,
    config: Mapping[str, Any],
    episodes: int = 12,
    reuse: bool = True,
    longest: int = _LONGEST,
    wrappers: Sequence[Any] = (),
) -> list[Situation]:
    """Play episodes of environment `name` in all situations.

    Args:
        name, config, wrappers: as for envs.make.
        episodes: in each situation, each with a policy and a seed of its own.
        reuse: False makes the environment anew for every episode, as `env_reuse=False` does.
        longest: steps of an episode: most leaks show in the first ones.

    Raises:
        envs.UnknownEnvironment, envs.UnsupportedEnvironment: as envs.make.
    """
    cast = Cast(name, config, longest=longest, wrappers=wrappers)
    stage, numbers, others = Stage(cast), range(episodes), range(OTHERS, OTHERS + 2)
    right = stage.play(Order("", numbers, fresh=True))
    shuffled = np.random.default_rng(0).permutation(episodes).tolist()
    orders = [
        Order("in another fresh environment", numbers, fresh=True),
        Order("after other episodes", numbers[::-1], before=others),
        Order("beside another client", shuffled, beside=True),
        Order("after an episode cut short", numbers, cut_short=1),
        Order("after an episode that raised", numbers, raised=1),
    ]
    found = [compare(order.name, stage.play(order, reuse), right) for order in orders]
    order = Order("in another process", shuffled, before=others)
    return [*found, compare(order.name, play_elsewhere(cast, order, reuse), right)]


@dataclass(frozen=True)
class Verdict:
    """What was found of an environment.

    Attributes:
        leaks: whether an episode depended on what was played before.
        keeps: names of what it keeps from one episode to the next; see envs.kept_state.
        finding: that as a sentence.
        do: what to do about it; empty if there is nothing to do.
    """

    leaks: bool
    keeps: tuple[str, ...]
    finding: str
    do: str = ""


def judge(name: str, config: Mapping[str, Any], wrappers: Sequence[Any] = ()) -> Verdict:
    """Measure an environment, and say what to do.

    Raises:
        what the environment raises, and as `measure`.
    """
    found = measure(name, config, wrappers=wrappers)
    leaks = [str(situation) for situation in found if situation.different]
    keeps = tuple(Stage(Cast(name, config, longest=_LONGEST, wrappers=wrappers)).kept())
    kept = f"{', '.join(keeps)} (other values after the same reset and steps)"
    if not leaks and not keeps:
        return Verdict(False, keeps, "works, and an episode depends on its policy and its seed alone")
    if not leaks:
        finding = (
            f"works, and {found[0].episodes} episodes had the same bits wherever they were played; but it keeps {kept}"
        )
        return Verdict(False, keeps, finding, "if an episode can depend on that, have reset(seed) put it back")
    finding = f"an episode depends on what was played before ({'; '.join(leaks)})"
    finding += f"; from one episode to the next it keeps {kept}" if keeps else ""
    advice = [words for part, words in _ADVICE.items() if any(part in kept.split(".") for kept in keeps)]
    if any(situation.different for situation in measure(name, config, reuse=False, wrappers=wrappers)):
        finding += ", even when it is made anew for every episode"
        return Verdict(True, keeps, finding, "; ".join(["seed all that is random in it in reset(seed)", *advice]))
    return Verdict(
        True, keeps, finding, "; ".join(["have it made anew for every episode: train with env_reuse=False", *advice])
    )

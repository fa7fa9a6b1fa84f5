# mypy: disable-error-code="name-defined"
# ruff: noqa: F841
"""The configuration in sacred's own form: its entries, with their comments, are the local variables.

sacred reads the source of these functions. What is set on the command line or by a named configuration
replaces an entry, and the entries that are computed from it follow.
"""

from collections.abc import Callable
from typing import Any

from mpi_pgpe.envs.registration import TINY_TRAJ_HUMANOID as TINY


def _described(text: str) -> Callable[[Any], Any]:
    """Give a named configuration its description; sacred would take a docstring for an entry."""

    def describe(function: Any) -> Any:
        function.__doc__ = text
        return function

    return describe


def default():  # type: ignore[no-untyped-def]
    env_name = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"  # environment to train in: ID, module:ID or module:Class
    env_config = {}  # keyword arguments for the environment
    re_eval_env_name = "HumanoidBulletEnv-v0" if env_name == TINY else None  # for re-evaluation; None: env_name
    re_eval_env_config = None  # keyword arguments for it; None: env_config if the names are the same
    env_fast = True  # walkers of PyBullet and MuJoCo on a faster path with the same results
    obs_norm = True  # normalize observations by the mean and stdev of all those seen so far
    niters = 1000  # generations
    popsize = 10000  # solutions in a round (even: mirrored pairs)
    popsize_max = 80000  # most solutions in a generation; None: no limit
    num_interactions = popsize * 200 * 3 // 4  # a generation goes on until it made so many steps; None: one round
    max_speed = 0.15  # ClipUp: largest length of a step of the center
    center_lr = max_speed / 2  # step size of the center; follows max_speed unless set
    radius = max_speed * 15  # initial stdev = radius / sqrt(parameters); follows max_speed unless set
    stdev_lr = 0.1  # step size of the stdev
    hidden_size = 64  # units in a hidden layer (tanh)
    num_hidden = 1  # hidden layers; 0: a linear policy
    decrease_rewards_by = 0.0  # subtracted from the reward of each step in training (a survival bonus, say)
    max_episode_length = None  # most steps of an episode, but for re-evaluations; None: the environment's own limit
    num_episodes = 1  # a solution's fitness is its mean over so many episodes
    common_random_numbers = False  # both members of a mirrored pair start from the same environment seed
    save_interval = 10  # save the center at every so many generations
    re_eval_interval = 10  # re-evaluate the center at every so many generations
    re_eval_num_episodes = 16  # episodes of a re-evaluation
    target_return = None  # stop once a re-evaluation's mean return reaches it
    optimizer = "clipup"  # clipup, adam or sgd
    solution_ranking = True  # weigh solutions by centered ranks; False: by their fitnesses
    env_reuse = True  # False: a new environment for every episode, for one that leaks from one into the next
    on_episode_error = "fail"  # fail: the run ends; worst: the episode gets the worst fitness, and counts as failed
    max_episode_errors = 10  # with on_episode_error=worst: the run ends after more failed episodes in a generation
    episode_timeout = None  # seconds that an episode may take; one that takes longer has failed; None: no limit
    checkpoint = None  # folder for checkpoints; None: the run's own
    checkpoint_interval = 1  # a checkpoint at every so many generations, if checkpoint_seconds have passed
    checkpoint_seconds = 30  # no checkpoint while the last one is younger than so many seconds
    resume = None  # a checkpoint, or a folder of them, to go on from; auto: the newest of this configuration, if any
    max_walltime = None  # HH:MM:SS from the program's start: checkpoint and exit code 75 before these are over
    finish_generation = False  # when asked to stop (SIGTERM, SIGUSR1): finish the running generation first
    init_from = None  # file of a saved agent: begin at its center and moments; None: at zero
    notes = ""  # free text that is stored with the agents


@_described("PyBullet's humanoid, with short episodes and no survival bonus: the default, written out.")
def humanoid_bullet():  # type: ignore[no-untyped-def]
    env_name = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
    re_eval_env_name = "HumanoidBulletEnv-v0" if env_name == TINY else None
    obs_norm = True
    niters = 1000
    popsize = 10000
    popsize_max = 80000
    num_interactions = popsize * 200 * 3 // 4
    max_speed = 0.15
    radius = max_speed * 15
    hidden_size = 64
    num_hidden = 1
    decrease_rewards_by = 0.0


@_described("MuJoCo's Humanoid-v2 with a linear policy (ClipUp paper).")
def humanoid():  # type: ignore[no-untyped-def]
    env_name = "Humanoid-v2"
    obs_norm = True
    niters = 1000
    popsize = 200
    popsize_max = 3200
    num_interactions = popsize * 1000 * 3 // 4
    max_speed = 0.015
    radius = max_speed * 18
    num_hidden = 0
    decrease_rewards_by = 5.0


@_described("MuJoCo's Walker2d-v2 with a linear policy (ClipUp paper).")
def walker2d():  # type: ignore[no-untyped-def]
    env_name = "Walker2d-v2"
    obs_norm = True
    niters = 500
    popsize = 100
    popsize_max = 800
    num_interactions = popsize * 1000 * 3 // 4
    max_speed = 0.015
    radius = max_speed * 15
    num_hidden = 0
    decrease_rewards_by = 1.0


@_described("Box2D's LunarLanderContinuous-v2 with a linear policy: minutes on a laptop.")
def lunarlander():  # type: ignore[no-untyped-def]
    env_name = "LunarLanderContinuous-v2"
    obs_norm = False
    niters = 50
    popsize = 200
    popsize_max = None
    num_interactions = None
    max_speed = 0.3
    radius = max_speed * 15
    num_hidden = 0
    decrease_rewards_by = 0.0


@_described("CartPole-v1 in a few seconds, to see that everything works.")
def fast():  # type: ignore[no-untyped-def]
    env_name = "CartPole-v1"
    niters = 30
    popsize = 40
    popsize_max = 80
    num_interactions = popsize * 100
    max_speed = 0.3
    radius = max_speed * 15
    hidden_size = 8
    num_hidden = 1
    re_eval_num_episodes = 8


NAMED = (humanoid_bullet, humanoid, walker2d, lunarlander, fast)

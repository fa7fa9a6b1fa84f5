"""What all ranks do together: evaluate a population or the center, and sum over directions.

Rank 0 calls `start`, `evaluate`, `sum_directions`, `moments` and `stop`; the other ranks `serve`. Each call tells the
others to enter the same method, so one piece of code runs on every rank, and on one rank alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.exact_sums import find_largest, join_parts, split_exactly
from mpi_pgpe.parallel.clock import UPDATE
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.fault_tolerance import RanksLost
from mpi_pgpe.parallel.load import Usage
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.normalization import Moments, common_reference
from mpi_pgpe.search.noise import weighted_sums
from mpi_pgpe.training.blocks import Blocks
from mpi_pgpe.training.episodes import Episodes
from mpi_pgpe.training.evaluator import Evaluator
from mpi_pgpe.training.functions import Function
from mpi_pgpe.training.job import TRAINING, Distribution, Job
from mpi_pgpe.training.problem import Problem

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment

T = TypeVar("T")

_START, _EVALUATE, _SUM, _MOMENTS, _TIMES, _STOP = range(6)  # commands


@dataclass
class _Evaluation:
    """Rank 0: what is, or was last, evaluated."""

    purpose: int
    distribution: Distribution
    tasks: Rounds


def make_problem(job: Job, world: World) -> Problem:
    """What solutions are evaluated on in this job."""
    return Episodes(job, world) if job.function is None else Function(job, world)


class Team:
    """The ranks at work on one job.

    Args:
        farm: hands out their tasks.

    Attributes:
        last_word: other ranks: what rank 0 said at the end; empty before.
    """

    def __init__(self, farm: Farm) -> None:
        self.farm, self.world = farm, farm.world
        self.last_word = b""
        self._evaluator: Evaluator | None = None
        self._evaluation: _Evaluation | None = None

    @property
    def evaluator(self) -> Evaluator:
        """What this rank does by itself; there is none before the job is known."""
        assert self._evaluator is not None, "start comes first"
        return self._evaluator

    @property
    def evaluation(self) -> _Evaluation:
        """Rank 0: what is, or was last, evaluated."""
        assert self._evaluation is not None, "evaluate comes first"
        return self._evaluation

    def _take_job(self, job: Job) -> None:
        if self._evaluator is None or self._evaluator.job != job:  # else ranks were lost, and the job goes on
            self._evaluator = Evaluator(self.farm, job, make_problem(job, self.world))

    # -- rank 0 -----------------------------------------------------------------------------------------

    def start(self, job: Job) -> None:
        """Rank 0: send the job to every rank, before anything else."""
        self._take_job(job)
        self._retry_after_losses(lambda: None, told=False)

    def environment(self, purpose: int) -> Environment:
        """Episodes.environment of this rank."""
        problem = self.evaluator.problem
        assert isinstance(problem, Episodes), "there is no environment"
        return problem.environment(purpose)

    def policy(self, purpose: int) -> AnyPolicy:
        """Episodes.policy of this rank."""
        problem = self.evaluator.problem
        assert isinstance(problem, Episodes), "there is no policy"
        return problem.policy(purpose)

    def load_function(self) -> None:
        """Function.load of this rank."""
        problem = self.evaluator.problem
        assert isinstance(problem, Function), "there is no function"
        problem.load()

    def blocks(self, purpose: int) -> Blocks:
        """How an evaluation is shared out in tasks."""
        return self.evaluator.blocks[purpose]

    @property
    def solutions_per_task(self) -> int:
        """How many numbers of each kind the result of a task has."""
        return self.evaluator.solutions_per_task

    def evaluate(self, purpose: int, distribution: Distribution, tasks: Rounds) -> None:
        """Rank 0: have all ranks run tasks; their results go to `tasks`.

        Args:
            purpose: TRAINING for mirrored pairs of directions, RE_EVALUATION for episodes of the center.
            distribution: of this generation.
            tasks: which tasks are needed.

        Raises:
            TaskFailed: a needed task failed.
            GivenUp: `Farm.should_give_up` returned True.
        """
        self.farm.load.usage = Usage()
        self._evaluation = _Evaluation(purpose, distribution, tasks)
        self._retry_after_losses(self._evaluate)

    def sum_directions(
        self, size: int, seeds: NDArray[np.uint64], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Rank 0: `noise.weighted_sums`, with the same arguments and result, shared among all ranks."""

        def work() -> NDArray[np.int64]:
            self.world.tell(_SUM, a.astype(np.int32), b.astype(np.int32))
            return self._sum(size, seeds, a, b)

        return self._retry_after_losses(work)

    def moments(self, directions: int) -> Moments:
        """The running statistics of the observations in the first `directions` directions of the generation."""

        def work() -> Moments:
            if not self.evaluation.tasks.complete:  # a rank was lost with what it kept
                self._evaluate()
            self.world.tell(_MOMENTS, np.array([directions], np.int64))
            return self._collect_moments(directions)

        return self._retry_after_losses(work)

    def times(self) -> NDArray[np.float64]:
        """Seconds of each rank in each of clock.PHASES, shape (farm.world.size, len(PHASES))."""

        def work() -> NDArray[np.float64]:
            self.world.tell(_TIMES)
            return self.world.gather_on_root(self.world.clock.read())

        return self._retry_after_losses(work)

    def _evaluate(self) -> None:
        purpose, d, owners = self.evaluation.purpose, self.evaluation.distribution, self.evaluation.tasks.owners
        nothing, again = np.zeros(0), (owners >= 0).any()
        self.world.tell(
            _EVALUATE,
            np.array([purpose, d.generation, d.reference_undecided], np.int64),
            nothing if d.mean is None else d.mean,
            nothing if d.obs_stdev is None else d.obs_stdev,
            nothing if d.reference is None else d.reference,
            d.seeds,
            d.center,
            d.stdev,
            owners if again else owners[:0],
        )
        self.evaluator.begin(purpose, d, owners if again else owners[:0])
        self.farm.hand_out(self.evaluation.tasks, self.evaluator.run)

    def _retry_after_losses(self, work: Callable[[], T], told: bool = True) -> T:
        """Do work of all ranks; repeat it with the remaining ranks whenever some are lost during it."""
        while True:
            try:
                if not told:
                    self.world.tell(_START, np.frombuffer(json.dumps(asdict(self.evaluator.job)).encode(), np.uint8))
                return work()
            except RanksLost as loss:
                told = False  # what was told last may not have reached everyone
                if loss.ranks:
                    left = f"{self.world.size} rank{'s' * (self.world.size > 1)}"
                    print(
                        f"{loss}; its work is done again and the run goes on with {left}", file=sys.stderr, flush=True
                    )
                if (now := self._evaluation) is not None:
                    keeping = now.purpose == TRAINING and now.distribution.mean is not None
                    now.tasks.lose(self.world.members if keeping else None)

    def stop(self, exit_code: int, word: bytes = b"", **patience: float) -> None:
        """Rank 0: have all ranks leave `serve` with this exit code, and with the `last_word`; see World.stop."""
        self.world.stop(_STOP, exit_code, np.frombuffer(word, np.uint8), **patience)

    # -- the other ranks --------------------------------------------------------------------------------

    def serve(self) -> int:
        """Other ranks: execute the commands of rank 0 until it stops them; returns the exit code that it sends."""
        while True:
            try:
                command, arrays = self.world.hear()
                if command == _STOP:
                    self.last_word = arrays[1].tobytes()
                    self.world.goodbye()
                    return int(arrays[0][0])
                self._execute(command, arrays)
            except RanksLost:
                continue  # rank 0 knows as well, and says how to go on

    def hears_the_end(self) -> bool:
        """Other ranks: wait for what rank 0 says next; whether it is the end of all."""
        while True:
            try:
                if self.world.hear()[0] != _STOP:
                    return False
                self.world.goodbye()
                return True
            except RanksLost:
                continue

    def _execute(self, command: int, arrays: list[NDArray[Any]]) -> None:
        if command == _START:
            self._take_job(Job(**json.loads(arrays[0].tobytes())))
        elif command == _EVALUATE:
            (purpose, generation, undecided), mean, obs_stdev, reference, seeds, center, stdev, owners = arrays
            distribution = Distribution(int(generation), center, stdev, None, None, seeds)
            distribution.reference_undecided = bool(undecided)
            if len(reference):
                distribution.reference = reference
            if len(mean):
                distribution.mean, distribution.obs_stdev = mean, obs_stdev
            self.evaluator.begin(int(purpose), distribution, owners)
            self.farm.take(self.evaluator.run, self.evaluator.solutions_per_task)
        elif command == _SUM:
            a, b = arrays
            seeds = self.evaluator.seeds(len(a))
            self._sum(self.evaluator.parameters, seeds, a, b)
        elif command == _MOMENTS:
            self._collect_moments(int(arrays[0][0]))
        elif command == _TIMES:
            self.world.gather_on_root(self.world.clock.read())

    # -- every rank -------------------------------------------------------------------------------------

    def _sum(self, size: int, seeds: NDArray[np.uint64], a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
        # Which rank sums which directions does not matter to the result: the sums are exact.
        first, end = (len(seeds) * (self.world.rank + i) // self.world.size for i in (0, 1))
        own = slice(first, end)
        with self.world.clock.during(UPDATE):
            return self.world.sum_on_root(weighted_sums(size, seeds[own], a[own], b[own]))

    def _collect_moments(self, directions: int) -> Moments:
        with self.world.clock.during(UPDATE):
            return self._add_moments(directions)

    def _add_moments(self, directions: int) -> Moments:
        kept, size = self.evaluator.kept(directions), self.evaluator.observations
        reference = (
            self._common_reference(kept, size) if self.evaluator.reference_undecided else self.evaluator.reference
        )
        kept = [m.shift_to(reference) for m in kept]
        terms = np.array([np.concatenate([m.sum, m.sumsq]) for m in kept]).reshape(-1, 2 * size)
        ceiling = self.world.maximum(find_largest(terms))
        count = sum(m.count for m in kept)
        total = self.world.sum_on_root(np.append(split_exactly(terms, ceiling).ravel(), count))
        sums = join_parts(total[:-1].reshape(2, -1), ceiling)
        return Moments(size, int(total[-1]), sums[:size], sums[size:], reference)

    def _common_reference(self, kept: list[Moments], size: int) -> NDArray[np.float64] | None:
        """The same on all ranks, however the directions are shared among them."""
        far = np.array([m.reference for m in kept if m.reference is not None]).reshape(-1, size)
        ends = self.world.maximum(np.concatenate([far.max(axis=0, initial=0.0), (-far).max(axis=0, initial=0.0)]))
        return common_reference(ends[:size], ends[size:])

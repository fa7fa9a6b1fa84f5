"""The farm, on all ranks of the world together; on one rank it is the same program."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.launcher import read_promised_rank
from mpi_pgpe.parallel.rounds import Rounds
from mpi_pgpe.parallel.tasks import Result, TaskFailed
from mpi_pgpe.parallel.world import Patience, World

TYPES = ["<i8", "<f8", "<u8", "<f4", "<i4", "|u1"]
STOP = 4
SLOW = 120  # seconds that another rank may take on a slow machine


@pytest.fixture
def farm():
    farm = Farm(World())
    yield farm
    farm.world.goodbye(SLOW)


def each_rank(farm, value):
    """The values of all ranks, on all ranks."""
    return farm.world.comm.allgather(value)


def test_world_is_as_large_as_the_launcher_promised(farm):
    rank, size = read_promised_rank() or (0, 1)
    assert (farm.world.rank, farm.world.size) == (rank, size)


@pytest.mark.parametrize("sizes", [(), (0,), (3,), (5, 0, 2), (100_000, 1), (7, 6, 5, 4, 3, 2)])
def test_what_rank_0_tells_is_what_the_others_hear(farm, sizes):
    rng = np.random.default_rng(1)
    arrays = [
        rng.integers(0, 256, size * np.dtype(kind).itemsize, np.uint8).view(kind)
        for size, kind in zip(sizes, TYPES, strict=False)
    ]
    if farm.world.rank == 0:
        farm.world.tell(17, *arrays)
        return
    command, heard = farm.world.hear()
    assert command == 17
    assert [a.dtype for a in heard] == [a.dtype for a in arrays]
    assert [a.tobytes() for a in heard] == [a.tobytes() for a in arrays]


def test_sum_on_root_is_exact(farm):
    own = np.array([2**61 // 3 + farm.world.rank, -(2**40) * farm.world.rank, 1])
    total = farm.world.sum_on_root(own)
    ranks = range(farm.world.size)
    expected = [sum(2**61 // 3 + r for r in ranks), sum(-(2**40) * r for r in ranks), farm.world.size]
    assert total.tolist() == (expected if farm.world.rank == 0 else [0, 0, 0])


def test_maximum_is_on_all_ranks(farm):
    own = np.array([farm.world.rank, -farm.world.rank, np.pi])
    assert farm.world.maximum(own).tolist() == [farm.world.size - 1, 0, np.pi]


def test_ranks_without_a_task_are_idle(farm):
    """One task for all ranks: the others have nothing to do."""

    def run(task, poll):
        time.sleep(0.5)
        return Result((0.0, 0.0), (0, 0))

    if farm.world.rank > 0:
        farm.take(run)
        return
    farm.hand_out(Rounds(1), run)
    usage = farm.load.usage
    assert usage.total > farm.world.size * 0.5
    # All of the time is accounted for; and more, if the others were ready, and idle, before rank 0.
    assert usage.idle_fraction() + usage.dropped_fraction(1) + usage.seconds[0] / usage.total > 1 - 1e-6
    assert usage.idle > (farm.world.size - 1) * 0.49


def test_ranks_that_wait_for_an_answer_are_idle(farm, monkeypatch):
    """Rank 0 is in a long step when each of the others has done a task and could begin another."""
    channel, nap = farm.world.comm.Dup(), farm.world.nap
    first, waiting = [True], []

    def wait():
        if farm.world.rank > 0 and not first and not waiting:
            waiting.append(channel.send("done", 0))
        nap()

    monkeypatch.setattr(farm.world, "nap", wait)

    def run(task, poll):
        if farm.world.rank == 0 and first:
            for _ in range(1, farm.world.size):
                channel.recv()
            time.sleep(1)
        first.clear()
        return Result((0.0, 0.0), (0, 0))

    if farm.world.rank > 0:
        farm.take(run)
        return
    farm.hand_out(Rounds(3 * farm.world.size), run)
    assert farm.load.usage.idle > (farm.world.size - 1) * 0.4


def test_one_look_takes_in_all_that_has_come(farm, monkeypatch, tmp_path):
    """Though rank 0 looks seldom, as in an environment with long steps."""
    folder, nap, waits = Path(farm.world.comm.bcast(str(tmp_path))), farm.world.nap, []

    def wait():
        if farm.world.rank > 0 and ran and not waits:
            waits.append((folder / str(farm.world.rank)).touch())  # not a message, which would bring in others
        nap()

    monkeypatch.setattr(farm.world, "nap", wait)
    ran, done = [], []

    def run(task, poll):
        if farm.world.rank == 0 and not ran and farm.world.size > 1:
            deadline = time.monotonic() + SLOW
            while len(list(folder.iterdir())) < farm.world.size - 1:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            poll()
            done.append(rounds.done)
        ran.append(task)
        return Result((0.0, 0.0), (0, 0))

    if farm.world.rank > 0:
        farm.take(run)
        return
    rounds = Rounds(3 * farm.world.size)
    farm.hand_out(rounds, run)
    assert farm.world.size == 1 or done[0] >= farm.world.size - 1  # more, if one was answered and brought the next


@pytest.mark.parametrize("root_evaluates", [True, False])
@pytest.mark.parametrize("tasks", [1, 2, 61])
def test_each_task_is_run_once_however_long_it_takes(root_evaluates, tasks):
    farm = Farm(World(), root_evaluates=root_evaluates)
    pause = np.random.default_rng(farm.world.rank)
    mine = []

    def run(task, poll):
        mine.append(task)
        for _ in range(int(pause.integers(4))):
            time.sleep(pause.uniform(0, 0.002))
            if poll is not None:
                poll()
        return Result((task, -task), (1, 2))

    recorded = []
    rounds = Rounds(tasks, on_record=lambda rounds: recorded.append(rounds.done))
    if farm.world.rank == 0:
        farm.hand_out(rounds, run)
        results = rounds.results()
        assert results["fitness"].tolist() == [[task, -task] for task in range(tasks)]
        assert results["interactions"].tolist() == [[1, 2]] * tasks
        assert recorded == list(range(1, tasks + 1))
        assert root_evaluates or farm.world.size == 1 or not mine
    else:
        farm.take(run)
    assert sorted(itertools.chain(*each_rank(farm, mine))) == list(range(tasks))
    assert farm.world.goodbye(SLOW)


def test_rounds_that_are_needed_depend_on_the_results_alone(farm):
    """Task t makes 10 steps: 4 rounds of 6 tasks are 240 steps, 3 are 180."""

    def run(task, poll):
        time.sleep(np.random.default_rng([farm.world.rank, task]).uniform(0, 0.003))
        if poll is not None:
            poll()
        return Result((task, 0), (4, 6))

    for target, needed in [(181, 4), (180, 3), (10**6, 7), (1, 1)]:  # one generation after another
        if farm.world.rank == 0:
            rounds = Rounds(6, max_rounds=7, num_interactions=target)
            farm.hand_out(rounds, run)
            assert rounds.rounds == needed
            assert rounds.results()["fitness"][:, 0].tolist() == list(range(6 * needed))
        else:
            farm.take(run)


@pytest.mark.parametrize("fails", [False, True])
def test_what_comes_after_the_end_is_dropped(farm, fails):
    """The generation needs task 0 alone; the others' next task ends only after rank 0 has ended it."""
    heard, channel = [], farm.world.comm.Dup()

    def end_of_generation():
        if not heard:
            heard.append(channel.recv(source=0))

    def run(task, poll):
        while task > 0 and farm.world.rank == 0 and poll is not None:
            poll()  # until rank 0 abandons it
        if task > 0 and farm.world.rank > 0:
            end_of_generation()
            if fails:
                raise TaskFailed("too late")
        return Result((-1, -1), (1, 1))

    def run_next(task, poll):
        return Result((task, task), (1, 1))

    if farm.world.rank == 0:
        farm.hand_out(Rounds(1, max_rounds=10, num_interactions=1), run)
        for rank in range(1, farm.world.size):
            channel.send("over", rank)
        rounds = Rounds(4 * farm.world.size)
        farm.hand_out(rounds, run_next)
        assert rounds.results()["fitness"][:, 0].tolist() == list(range(4 * farm.world.size))
    else:
        farm.take(run)
        end_of_generation()
        farm.take(run_next)


@pytest.mark.parametrize("failing", [[0], [7], [29], range(30)])
def test_failed_task_ends_the_tasks_and_leaves_the_farm_in_order(failing):
    farm = Farm(World())

    def run(task, poll):
        time.sleep(1e-4)
        if poll is not None:
            poll()
        if task in failing:
            raise TaskFailed(f"task {task} failed")
        return Result((0.0, 0.0), (0, 0))

    if farm.world.rank == 0:
        with pytest.raises(TaskFailed, match=r"task \d+ failed") as failure:
            farm.hand_out(Rounds(30), run)
        assert int(str(failure.value).split()[1]) in failing
        farm.world.stop(STOP, 9)
    else:
        farm.take(run)
        command, arrays = farm.world.hear()
        assert (command, arrays[0].tolist()) == (STOP, [9])
        assert farm.world.goodbye(SLOW)
    assert each_rank(farm, "here") == ["here"] * farm.world.size
    assert not farm.world.comm.Iprobe()  # no message is left over


def test_the_time_that_ranks_get_to_stop_counts_from_the_failure(monkeypatch):
    """Whatever rank 0 does between the failure and the end, recording it say, all have ended in time."""
    from mpi4py import MPI

    farm, now, allowed, goodbye = Farm(World(MPI.COMM_SELF)), [1000.0], [], World.goodbye

    def look_on(world, seconds):
        allowed.append(seconds)
        return goodbye(world, seconds)

    def stop():
        farm.world.size = 2  # alone, there would be nobody to tell
        farm.world.stop(STOP, 1)
        farm.world.size = 1

    def fail(task, poll):
        raise TaskFailed("broken")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(World, "goodbye", look_on)
    stop()
    with pytest.raises(TaskFailed):
        farm.hand_out(Rounds(1), fail)
    for later in (0.25, 1.25, 60):
        now[0] += later
        stop()
    assert allowed == [3, 3, 2, 0.5]


def test_while_the_machine_stands_still_no_patience_is_used_up(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = Patience(3)

    def over(seconds):
        now[0] += seconds
        return patience.has_expired()

    assert not over(60)
    assert not any(over(0.02) for _ in range(140))
    assert not over(60)
    assert any(over(0.02) for _ in range(10))


@pytest.mark.parametrize(("failing", "fails"), [(range(6, 99), False), ([5], True), ([7], False), ([0, 8], True)])
@pytest.mark.parametrize("root_evaluates", [True, False])
def test_only_a_task_that_the_generation_needs_can_fail_it(failing, fails, root_evaluates):
    """On any number of ranks: two rounds of 3 tasks of 4 steps are needed, more may be begun."""
    farm = Farm(World(), root_evaluates=root_evaluates)

    def run(task, poll):
        time.sleep(np.random.default_rng([farm.world.rank, task]).uniform(0, 0.003))
        if poll is not None:
            poll()
        if task in failing:
            raise TaskFailed(f"task {task} failed")
        return Result((task, task), (2, 2))

    if farm.world.rank == 0:
        rounds = Rounds(3, max_rounds=9, num_interactions=13)
        if fails:
            with pytest.raises(TaskFailed, match=f"task {failing[0]} failed"):
                farm.hand_out(rounds, run)
        else:
            farm.hand_out(rounds, run)
            assert rounds.results()["fitness"][:, 0].tolist() == list(range(6))
    else:
        farm.take(run)
    assert farm.world.goodbye(SLOW)


@pytest.mark.parametrize(
    ("environ", "promised"),
    [
        ({}, None),
        ({"PMI_RANK": "3", "PMI_SIZE": "8"}, (3, 8)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, (0, 2)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "64"}, (5, 64)),
        ({"SLURM_NTASKS": "64"}, None),  # a batch script, not a task
    ],
)
def test_rank_that_launchers_promise(environ, promised):
    assert read_promised_rank(environ) == promised

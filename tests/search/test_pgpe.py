"""The search against plain float64 loops, its refusals, and what may not happen to its center."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import PGPE

LENGTH, POPSIZE = 6, 20


def make(**changes) -> PGPE:
    settings = {
        "solution_length": LENGTH,
        "popsize": POPSIZE,
        "optimizer_config": {"max_speed": 0.3},
        "center_init": np.linspace(-1, 1, LENGTH),
        "stdev_init": np.linspace(0.5, 1.5, LENGTH),
        "seed": 3,
    }
    return PGPE(**settings | changes)


def sphere(x: np.ndarray) -> np.ndarray:
    return -np.sum(x.astype(np.float64) ** 2, axis=-1)


def bits(search: PGPE) -> bytes:
    return search.center.tobytes() + search.stdev.tobytes()


def run(search: PGPE, generations: int, function=sphere, interactions: int | None = None) -> PGPE:
    for _ in range(generations):
        while not search.tell(function(search.ask()), interactions):
            pass
    return search


# -- the update, from the formulas ------------------------------------------------------------------------


def ranks_by_hand(fitnesses) -> list[float]:
    """Centered ranks in [-0.5, 0.5]; these fitnesses are all different."""
    return [sum(other < f for other in fitnesses) / (len(fitnesses) - 1) - 0.5 for f in fitnesses]


def gradients_by_hand(solutions, weights, center, stdev):
    """Sehnke et al. 2010 with mirrored sampling, one number at a time."""
    pairs = len(solutions) // 2
    baseline = sum(weights) / len(weights)
    center_gradient, stdev_gradient = [0.0] * LENGTH, [0.0] * LENGTH
    for i in range(pairs):
        plus, minus = weights[2 * i], weights[2 * i + 1]
        for j in range(LENGTH):
            deviation = float(solutions[2 * i][j]) - center[j]  # stdev * e
            center_gradient[j] += (plus - minus) / 2 * deviation / pairs
            stdev_gradient[j] += ((plus + minus) / 2 - baseline) * (deviation**2 - stdev[j] ** 2) / stdev[j] / pairs
    return center_gradient, stdev_gradient


class ByHand:
    """PGPE with ClipUp in plain Python; reads the solutions of the search that it is compared with."""

    def __init__(self, center, stdev, max_speed: float, stdev_lr: float, ranking: bool) -> None:
        self.center, self.stdev = list(map(float, center)), list(map(float, stdev))
        self.velocity = [0.0] * LENGTH
        self.max_speed, self.stdev_lr, self.ranking = max_speed, stdev_lr, ranking

    def update(self, solutions, fitnesses) -> None:
        weights = ranks_by_hand(fitnesses) if self.ranking else list(fitnesses)
        gradient, stdev_gradient = gradients_by_hand(solutions, weights, self.center, self.stdev)
        norm = sum(g * g for g in gradient) ** 0.5
        self.velocity = [0.9 * v + self.max_speed / 2 * g / norm for v, g in zip(self.velocity, gradient, strict=True)]
        speed = sum(v * v for v in self.velocity) ** 0.5
        if speed > self.max_speed:
            self.velocity = [v * self.max_speed / speed for v in self.velocity]
        self.center = [c + v for c, v in zip(self.center, self.velocity, strict=True)]
        for j, g in enumerate(stdev_gradient):
            most = 0.2 * self.stdev[j]
            self.stdev[j] += min(max(self.stdev_lr * g, -most), most)


@pytest.mark.parametrize("ranking", [True, False], ids=["ranked", "raw"])
def test_updates_equal_the_formulas(ranking):
    # A stdev step that is sometimes cut at 20%, sometimes not.
    stdev_lr = 1.0 if ranking else 0.05
    search = make(solution_ranking=ranking, stdev_learning_rate=stdev_lr)
    by_hand = ByHand(search.center, search.stdev, 0.3, stdev_lr, ranking)
    for _ in range(30):
        solutions = search.ask()
        fitnesses = sphere(solutions - 2)
        search.tell(fitnesses)
        by_hand.update(solutions, fitnesses)
        # Tolerance: solutions are rounded to float32 (2^-24 of about 3), noise^2 and raw weights to 2^-16 and 2^-20
        # of their largest; the search has neither rounding in its sums. Errors add up over the generations.
        np.testing.assert_allclose(search.center, by_hand.center, rtol=0, atol=5e-5)
        np.testing.assert_allclose(search.stdev, by_hand.stdev, rtol=5e-5, atol=0)


def test_the_population_of_many_rounds_is_one_population():
    """Three rounds of 20 move the search as one round of 60 does: same noise, same ranking over all."""
    rounds, one = make(num_interactions=3, popsize_max=200), make(popsize=3 * POPSIZE)
    for _ in range(5):
        everyone = one.ask()
        for i in range(3):
            solutions = rounds.ask()
            np.testing.assert_array_equal(solutions, everyone[i * POPSIZE : (i + 1) * POPSIZE])
            assert rounds.tell(sphere(solutions), interactions=1) == (i == 2)
        assert one.tell(sphere(everyone))
        assert bits(rounds) == bits(one)


# -- ask and tell -----------------------------------------------------------------------------------------


def test_ask_gives_mirrored_pairs_around_the_center():
    search = make()
    solutions = search.ask()
    assert solutions.shape == (POPSIZE, LENGTH)
    assert solutions.dtype == np.float32
    plus, minus = solutions[0::2] - search.center, solutions[1::2] - search.center
    np.testing.assert_allclose(plus, -minus, rtol=0, atol=1e-6)  # rounding to float32
    assert len(np.unique(np.abs(plus[:, 0]))) == POPSIZE // 2  # each pair has noise of its own
    np.testing.assert_array_equal(search.ask(), solutions)  # asking again changes nothing


def test_solutions_have_the_stdev_of_the_search():
    search = make(popsize=40_000)
    measured = (search.ask()[0::2] - search.center).std(axis=0)
    np.testing.assert_allclose(measured, search.stdev, rtol=5 / np.sqrt(2 * 20_000))  # five standard errors


def test_generations_have_noise_of_their_own():
    search = make(center_init=0.0, stdev_learning_rate=0)
    first, center = search.ask(), search.center.copy()
    search.tell(sphere(first))
    assert np.abs((search.ask() - search.center) - (first - center)).max() > 0.1


def test_arrays_are_read_only_and_stay_as_they_were():
    search = make()
    arrays = (search.ask(), search.center, search.stdev)
    before = [a.copy() for a in arrays]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    run(search, 3)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_the_search_keeps_no_array_of_the_caller():
    center, stdev, fitnesses = np.zeros(LENGTH), np.ones(LENGTH), np.arange(POPSIZE, dtype=float)
    search = make(center_init=center, stdev_init=stdev, num_interactions=2)
    untouched = make(center_init=0.0, stdev_init=1.0, num_interactions=2)
    center[:], stdev[:] = 9, 9
    search.tell(fitnesses, 1)
    untouched.tell(fitnesses.copy(), 1)
    fitnesses[:] = 0
    for each in (search, untouched):
        each.tell(np.arange(POPSIZE), 1)
    assert bits(search) == bits(untouched)


# -- adaptive population ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_interactions", "popsize_max", "made_in_a_round", "rounds"),
    [
        (None, None, 5, 1),
        (None, 100, 5, 1),
        (100, None, 100, 1),  # reached exactly
        (100, None, 99, 2),
        (100, None, 10, 10),
        (100, 3 * POPSIZE, 10, 3),  # stopped by popsize_max
        (100, 4 * POPSIZE - 1, 10, 3),  # whole rounds only
        (100, POPSIZE, 10, 1),
        (1, 100, 0, 5),  # no interaction at all
    ],
)
def test_rounds_of_a_generation(num_interactions, popsize_max, made_in_a_round, rounds):
    search = make(num_interactions=num_interactions, popsize_max=popsize_max)
    for generation in range(2):
        before = bits(search)
        for number in range(1, rounds + 1):
            assert search.generation == generation
            assert bits(search) == before
            ended = search.tell(sphere(search.ask()), made_in_a_round)
            assert ended is (number == rounds)
        assert bits(search) != before
    assert search.generation == 2


def test_interactions_may_be_given_for_each_solution():
    search = make(num_interactions=POPSIZE * 3)
    assert search.tell(sphere(search.ask()), np.full(POPSIZE, 2)) is False
    assert search.tell(sphere(search.ask()), np.ones((POPSIZE // 2, 2), np.int64)) is True


def test_a_population_that_cannot_grow_equals_one_of_fixed_size():
    growing = run(make(num_interactions=10**6, popsize_max=POPSIZE), 20, interactions=1)
    assert bits(growing) == bits(run(make(), 20))
    satisfied = run(make(num_interactions=1), 20, interactions=1)
    assert bits(satisfied) == bits(run(make(), 20))


# -- the stdev --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0.2, 0.05])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_stdev_changes_by_a_limited_share(most, sign):
    search = make(stdev_learning_rate=1e6, stdev_max_change=most)
    for _ in range(20):
        before = search.stdev.copy()
        run(search, 1, lambda x: sign * sphere(x))
        change = search.stdev / before - 1
        np.testing.assert_allclose(np.abs(change), most, rtol=1e-9)  # the huge rate takes it to its limit
        assert (search.stdev > 0).all()


def test_the_default_share_is_a_fifth():
    search = make(stdev_learning_rate=1e6)
    before = search.stdev.copy()
    np.testing.assert_allclose(np.abs(run(search, 1).stdev / before - 1), 0.2)


def test_a_stdev_that_does_not_learn_stays_and_leaves_the_center_as_it_was():
    search, frozen = make(stdev_learning_rate=0), make(stdev_max_change=0)
    before = search.stdev.copy()
    run(search, 20)
    np.testing.assert_array_equal(search.stdev, before)
    assert bits(search) == bits(run(frozen, 20))


# -- same seed, same bits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["clipup", "adam", "sgd"])
def test_a_seed_fixes_all_bits(optimizer):
    def result(seed):
        return bits(run(make(optimizer=optimizer, optimizer_config={}, seed=seed), 10))

    assert result(1) == result(1)
    assert result(1) != result(2)


def test_without_a_seed_each_search_has_its_own_and_tells_it():
    search, other = make(seed=None), make(seed=None)
    assert search.seed != other.seed
    assert bits(run(make(seed=search.seed), 3)) == bits(run(search, 3))


@pytest.mark.parametrize("optimizer", ["clipup", "adam", "sgd"])
def test_a_restored_search_goes_on_with_the_same_bits(optimizer):
    search = run(make(optimizer=optimizer, optimizer_config={}), 5)
    state = search.state()
    run(search, 5)
    other = make(optimizer=optimizer, optimizer_config={}, seed=99, center_init=7.0)
    other.restore(state)
    assert bits(run(other, 5)) == bits(search)
    assert other.generation == search.generation == 10


# -- equal fitnesses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["clipup", "adam", "sgd"])
@pytest.mark.parametrize("value", [0.0, -3.5, np.nan])
def test_where_all_fitnesses_are_equal_nothing_moves(optimizer, value):
    search = make(optimizer=optimizer, optimizer_config={})
    before = bits(search)
    for _ in range(3):
        search.tell(np.full(POPSIZE, value))
    assert bits(search) == before


def test_where_all_fitnesses_are_equal_the_center_moves_by_its_momentum():
    search = run(make(), 1)
    center, stdev, velocity = search.center, search.stdev, search.optimizer.velocity.copy()
    search.tell(np.zeros(POPSIZE))
    np.testing.assert_array_equal(search.center, center + 0.9 * velocity)
    np.testing.assert_array_equal(search.stdev, stdev)


def test_in_their_order_equal_fitnesses_move_the_search_as_version_0_1_0_did():
    search = make(tie_breaking="order")
    ascending = make()
    search.tell(np.zeros(POPSIZE))
    ascending.tell(np.arange(POPSIZE))
    assert bits(search) == bits(ascending) != bits(make())


def test_solutions_without_success_do_not_turn_the_step_from_those_with_it():
    """Two mirrored pairs have a success each, of the plus sign and of the minus sign: the step lies in their plane."""
    search = make(stdev_init=1.0, center_init=0.0, stdev_learning_rate=0)
    solutions = search.ask().astype(np.float64)
    search.tell(np.isin(np.arange(POPSIZE), [4, 11]).astype(float))
    expected = solutions[4] + solutions[11]
    np.testing.assert_allclose(
        search.center / np.linalg.norm(search.center), expected / np.linalg.norm(expected), atol=1e-6
    )


# -- fitnesses that are no numbers ------------------------------------------------------------------------


def assert_stays_finite(search: PGPE, bad: list[float]) -> None:
    rng = np.random.default_rng(0)
    for share in (0.1, 0.9, 1.0, 0.0):
        for _ in range(5):
            fitnesses = sphere(search.ask())
            chosen = rng.random(POPSIZE) < share
            fitnesses[chosen] = rng.choice(bad, chosen.sum())
            search.tell(fitnesses)
            assert np.isfinite(search.center).all()
            assert np.isfinite(search.stdev).all()
            assert (search.stdev > 0).all()


@pytest.mark.parametrize("ranking", [True, False], ids=["ranked", "raw"])
@pytest.mark.parametrize("optimizer", ["clipup", "adam", "sgd"])
@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.nan, np.inf, -np.inf]], ids=str)
def test_odd_fitnesses_leave_the_search_finite(ranking, optimizer, bad):
    assert_stays_finite(make(solution_ranking=ranking, optimizer=optimizer, optimizer_config={}), bad)


@pytest.mark.parametrize("ranking", [True, False], ids=["ranked", "raw"])
@pytest.mark.parametrize("optimizer", ["clipup", "adam"])  # sgd's steps are as large as raw fitnesses
def test_huge_fitnesses_leave_the_search_finite(ranking, optimizer):
    assert_stays_finite(make(solution_ranking=ranking, optimizer=optimizer, optimizer_config={}), [-1e307, 1e307])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_counts_as_the_worst(bad):
    search, reference = make(), make()
    fitnesses = sphere(search.ask())
    fitnesses[4] = bad
    search.tell(fitnesses)
    fitnesses[4] = -1e300
    reference.tell(fitnesses)
    assert bits(search) == bits(reference)

"""What PGPE of other libraries takes: none for a default, bounds of the stdev, float64, solutions without mirrors."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import PGPE, SGD

LENGTH, POPSIZE = 6, 20


def make(**changes) -> PGPE:
    settings = {"solution_length": LENGTH, "popsize": POPSIZE, "center_init": 1.0, "stdev_init": 0.5, "seed": 3}
    return PGPE(**settings | changes)


def sphere(x: np.ndarray) -> np.ndarray:
    return -np.sum(x.astype(np.float64) ** 2, axis=-1)


def bits(search: PGPE) -> bytes:
    return search.center.tobytes() + search.stdev.tobytes()


def run(search: PGPE, generations: int, function=sphere) -> PGPE:
    for _ in range(generations):
        while not search.tell(function(search.ask()), 1):
            pass
    return search


# -- None, -1 ---------------------------------------------------------------------------------------------


def test_without_a_center_the_search_begins_at_zero():
    assert bits(run(make(center_init=None), 3)) == bits(run(make(center_init=0.0), 3))


def test_without_an_optimizer_the_center_moves_by_the_gradient_alone():
    search, optimizer = make(optimizer=None, center_learning_rate=0.3), SGD(LENGTH, 0.3)
    plain = run(make(optimizer="sgd", center_learning_rate=0.3), 5)
    assert bits(run(search, 5)) == bits(plain)
    np.testing.assert_array_equal(optimizer.ascent(np.ones(LENGTH)), np.full(LENGTH, 0.3))
    np.testing.assert_array_equal(optimizer.ascent(np.ones(LENGTH)), np.full(LENGTH, 0.3))  # no momentum


@pytest.mark.parametrize("none", [None, -1, np.int64(-1)])
def test_minus_one_is_no_limit(none):
    search = make(popsize_max=none, num_interactions=300)
    assert sum(not search.tell(sphere(search.ask()), 10) for _ in range(30)) == 29
    assert make(num_interactions=none).tell(np.arange(POPSIZE))


@pytest.mark.parametrize(("popsize_max", "rounds"), [(POPSIZE, 1), (3 * POPSIZE - 1, 2), (3 * POPSIZE, 3)])
def test_it_tells_how_many_rounds_fit(popsize_max, rounds):
    assert make(popsize_max=popsize_max, num_interactions=1).max_rounds == rounds


# -- the stdev --------------------------------------------------------------------------------------------


def towards(stdev_sign: int):
    """A fitness that makes the stdev grow (1) or shrink (-1), fast."""
    return lambda x: stdev_sign * np.sum((x - 1.0) ** 2, axis=-1)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_stdev_stays_within_its_bounds(sign):
    low, high = np.linspace(0.1, 0.5, LENGTH), 0.9
    search = make(stdev_min=low, stdev_max=high, stdev_learning_rate=10.0)
    free = make(stdev_learning_rate=10.0)
    for _ in range(20):
        run(search, 1, towards(sign))
        run(free, 1, towards(sign))
        assert (search.stdev >= low).all()
        assert (search.stdev <= high).all()
    assert (free.stdev > high).any() if sign > 0 else (free.stdev < low).all()
    assert (search.stdev == (high if sign > 0 else low)).any()


def test_bounds_that_are_never_met_change_no_bit():
    assert bits(run(make(stdev_min=1e-9, stdev_max=1e9), 10)) == bits(run(make(), 10))


def test_without_a_limit_of_its_change_the_stdev_moves_by_the_whole_gradient():
    rate, rates = 0.5, []
    for most in (None, 0.999):
        search = make(stdev_max_change=most, stdev_learning_rate=rate)
        rates.append(run(search, 1, towards(1)).stdev / 0.5 - 1)
    np.testing.assert_array_equal(*rates)
    assert np.abs(rates).max() < 0.9  # the limit of the second one was not met
    huge = run(make(stdev_max_change=None, stdev_learning_rate=1e3), 1, towards(1)).stdev
    assert huge.max() > 5  # ten times the first one
    assert huge.min() >= 0.5 * (1 - 0.99)


def test_the_share_may_differ_from_element_to_element():
    shares = np.linspace(0, 0.5, LENGTH)
    search = run(make(stdev_max_change=shares, stdev_learning_rate=1e6), 1)
    np.testing.assert_allclose(np.abs(search.stdev / 0.5 - 1), shares, rtol=1e-12, atol=1e-15)


# -- float64 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), float, "f8"], ids=str)
def test_solutions_are_of_the_dtype_asked_for(dtype):
    assert make(dtype=dtype).ask().dtype == np.float64
    assert make().ask().dtype == np.float32


def test_in_float64_solutions_are_the_center_and_the_noise_that_the_gradient_is_of():
    search = make(dtype="float64", center_init=1e6, stdev_init=1e-3)
    solutions = search.ask()
    noise = make(center_init=0.0, stdev_init=1.0).ask().astype(np.float64)  # the same seed, so the same directions
    np.testing.assert_allclose(solutions - 1e6, noise * 1e-3, rtol=0, atol=2e-10)  # float64's grid at 1e6


def test_in_float64_a_small_stdev_at_a_large_center_still_shows_the_way():
    """The cosine of a step with the gradient of a linear fitness, at stdev / center = 2e-8."""
    slope = np.random.default_rng(0).normal(size=100)

    def cosine(dtype: str) -> float:
        search = PGPE(
            solution_length=100, popsize=400, center_init=1e4, stdev_init=2e-4, dtype=dtype, optimizer=None, seed=1
        )
        before = search.center
        search.tell((search.ask().astype(np.float64) - 1e4) @ slope)
        step = search.center - before
        return float(step @ slope / np.linalg.norm(step) / np.linalg.norm(slope))

    assert cosine("float64") > 0.7
    assert cosine("float32") < 0.5


# -- without mirrors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranking", [True, False], ids=["ranked", "raw"])
def test_updates_without_mirrors_equal_the_formulas(ranking):
    """Sehnke et al. 2010, eq. 9 and 10, one number at a time."""
    search = make(popsize=21, symmetric=False, optimizer=None, center_learning_rate=0.1, solution_ranking=ranking)
    for _ in range(10):
        center, stdev, solutions = search.center, search.stdev, search.ask().astype(np.float64)
        fitnesses = sphere(solutions - 2)
        order = [sum(f > other for other in fitnesses) / 20 - 0.5 for f in fitnesses]
        weights = order if ranking else fitnesses - fitnesses.mean()
        gradient, stdev_gradient = np.zeros(LENGTH), np.zeros(LENGTH)
        for weight, solution in zip(weights, solutions, strict=True):
            deviation = solution - center
            gradient += weight * deviation / 21
            stdev_gradient += weight * (deviation**2 - stdev**2) / stdev / 21
        search.tell(fitnesses)
        np.testing.assert_allclose(search.center, center + 0.1 * gradient, rtol=0, atol=1e-5)
        most = 0.2 * stdev
        expected = stdev + np.clip(0.1 * stdev_gradient, -most, most)
        np.testing.assert_allclose(search.stdev, expected, rtol=2e-5)


def test_without_mirrors_each_solution_has_noise_of_its_own():
    search = make(popsize=7, symmetric=False, num_interactions=2)
    first = search.ask()
    assert first.shape == (7, LENGTH)
    search.tell(sphere(first), 1)
    both = np.concatenate([first, search.ask()])
    assert len(np.unique(np.round(np.abs(both - 1.0), 6)[:, 0])) == 14
    assert search.tell(sphere(search.ask()), 1)


def test_without_mirrors_it_climbs_and_is_restored():
    search = make(popsize=41, symmetric=False, optimizer_config={"max_speed": 0.3})
    run(search, 10)
    other = make(popsize=41, symmetric=False, optimizer_config={"max_speed": 0.3}, seed=9)
    other.restore(search.state())
    assert bits(run(other, 30)) == bits(run(search, 30))
    assert np.abs(search.center).max() < 0.5


# -- tell, len, iteration, reading ------------------------------------------------------------------------


def test_fitnesses_and_interactions_may_come_from_generators():
    search, other = make(num_interactions=POPSIZE), make(num_interactions=POPSIZE)
    solutions = search.ask()
    assert search.tell((sphere(x) for x in solutions), (1 for _ in solutions))
    assert other.tell(map(sphere, solutions), np.ones(POPSIZE, int))
    assert bits(search) == bits(other) != bits(make())


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_solutions_told_are_iterated_over_with_their_fitnesses(symmetric):
    search = make(num_interactions=2, symmetric=symmetric)
    assert (len(search), list(search), bool(search)) == (0, [], True)
    for generation in range(2):
        asked, told = [], []
        for number in (1, 2):
            solutions = search.ask()
            asked += list(solutions)
            told += [float(i * (3 - generation)) for i in range(POPSIZE)]
            search.tell(told[-POPSIZE:], 1)
            assert len(search) == number * POPSIZE  # the last generation's, at the end
            for (solution, fitness), solution_asked, fitness_told in zip(search, asked, told, strict=True):
                assert solution.tobytes() == solution_asked.tobytes()
                assert solution.dtype == np.float32
                assert fitness == fitness_told
                with pytest.raises(ValueError, match="read-only"):
                    solution[0] = 1.0


def test_learning_rates_and_limits_can_be_read():
    search = make(
        optimizer_config={"max_speed": 0.4},
        stdev_min=0.1,
        stdev_max=2.0,
        stdev_learning_rate=0.3,
        stdev_max_change=None,
    )
    assert (search.center_learning_rate, search.stdev_learning_rate) == (0.2, 0.3)
    assert (search.stdev_min, search.stdev_max, search.stdev_max_change) == (0.1, 2.0, None)
    assert make(center_learning_rate=0.07).center_learning_rate == 0.07

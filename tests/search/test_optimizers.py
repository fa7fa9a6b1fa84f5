"""The optimizers against loops written from the papers' formulas, one number at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mpi_pgpe.search.optimizers import SGD, Adam, ClipUp, make_optimizer

SIZE, STEPS = 7, 300
MAKE = {
    "clipup": lambda: ClipUp(SIZE, 0.04, momentum=0.8, max_speed=0.1),
    "adam": lambda: Adam(SIZE, 0.03, beta1=0.8, beta2=0.95, epsilon=1e-6),
    "sgd": lambda: SGD(SIZE, 0.02, momentum=0.7),
}
every_optimizer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def gradients(steps: int = STEPS) -> np.ndarray:
    """Gradients of very different lengths, some of them zero."""
    rng = np.random.default_rng(0)
    g = rng.normal(0.3, 1, (steps, SIZE)) * 10.0 ** rng.integers(-6, 6, (steps, 1))
    g[rng.random(steps) < 0.05] = 0
    return g


def length(vector) -> float:
    return math.sqrt(sum(x * x for x in vector))


def clipup_by_hand(gradients, stepsize, momentum, max_speed):
    """Toklu et al. 2020, Algorithm 1."""
    velocity = [0.0] * SIZE
    for gradient in gradients:
        norm = length(gradient)
        for i, g in enumerate(gradient):
            velocity[i] = momentum * velocity[i] + (stepsize * g / norm if norm else 0.0)
        speed = length(velocity)
        if speed > max_speed:
            velocity = [max_speed * v / speed for v in velocity]
        yield list(velocity)


def adam_by_hand(gradients, alpha, beta1, beta2, epsilon):
    """Kingma and Ba 2015, Algorithm 1, with the sign of an ascent."""
    m, v = [0.0] * SIZE, [0.0] * SIZE
    for t, gradient in enumerate(gradients, start=1):
        step = []
        for i, g in enumerate(gradient):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            step.append(alpha * (m[i] / (1 - beta1**t)) / (math.sqrt(v[i] / (1 - beta2**t)) + epsilon))
        yield step


def sgd_by_hand(gradients, stepsize, momentum):
    velocity = [0.0] * SIZE
    for gradient in gradients:
        velocity = [momentum * v + stepsize * g for v, g in zip(velocity, gradient, strict=True)]
        yield velocity


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("clipup", clipup_by_hand(gradients(), 0.04, 0.8, 0.1)),
        ("adam", adam_by_hand(gradients(), 0.03, 0.8, 0.95, 1e-6)),
        ("sgd", sgd_by_hand(gradients(), 0.02, 0.7)),
    ],
    ids=MAKE,
)
def test_steps_equal_the_formulas(name, by_hand):
    optimizer = MAKE[name]()
    for gradient, expected in zip(gradients(), by_hand, strict=True):
        # rtol: rounding of a few operations in another order, carried along by the momentum.
        np.testing.assert_allclose(optimizer.ascent(gradient), expected, rtol=1e-10, atol=1e-14)


def test_clipup_defaults_are_the_papers():
    step = ClipUp(1, max_speed=0.2).ascent(np.array([123.0]))
    assert step == 0.1  # half of max_speed
    optimizer = ClipUp(1, max_speed=0.2)
    steps = [optimizer.ascent(np.array([1.0]))[0] for _ in range(3)]
    np.testing.assert_allclose(steps, [0.1, 0.9 * 0.1 + 0.1, 0.2])


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e308])
def test_clipup_scales_any_gradient_to_its_step(scale):
    step = ClipUp(2, 0.1, max_speed=1.0).ascent(np.array([3.0, -4.0]) / 4 * scale)
    np.testing.assert_allclose(step, [0.06, -0.08], rtol=1e-2 if scale < 1e-300 else 1e-12)


def test_a_zero_gradient_leaves_momentum_only():
    zero = np.zeros(SIZE)
    for name, momentum in (("clipup", 0.8), ("sgd", 0.7)):
        optimizer = MAKE[name]()
        np.testing.assert_array_equal(optimizer.ascent(zero), zero)
        step = optimizer.ascent(np.ones(SIZE))
        for _ in range(5):
            following = optimizer.ascent(zero)
            np.testing.assert_allclose(following, momentum * step, rtol=1e-15)
            step = following


@every_optimizer
def test_zero_gradients_stay_finite(make):
    optimizer = make()
    for _ in range(1000):
        assert np.isfinite(optimizer.ascent(np.zeros(SIZE))).all()


@every_optimizer
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_and_changes_nothing(make, bad):
    optimizer, untouched = make(), make()
    gradient = np.ones(SIZE)
    gradient[3] = bad
    with pytest.raises(ValueError, match="finite gradient"):
        optimizer.ascent(gradient)
    np.testing.assert_array_equal(optimizer.ascent(np.ones(SIZE)), untouched.ascent(np.ones(SIZE)))


@every_optimizer
def test_a_gradient_of_another_shape_is_refused(make):
    with pytest.raises(ValueError, match=r"shape \(7,\), got \(7, 1\)"):
        make().ascent(np.ones((SIZE, 1)))


@every_optimizer
def test_a_restored_optimizer_goes_on_with_the_same_bits(make):
    optimizer = make()
    first, second = np.split(gradients(20), 2)
    for gradient in first:
        optimizer.ascent(gradient)
    state = optimizer.state()
    expected = [optimizer.ascent(gradient) for gradient in second]
    for _ in range(2):  # twice: neither the steps above nor those below change the state
        other = make()
        other.restore(state)
        np.testing.assert_array_equal([other.ascent(gradient) for gradient in second], expected)


@every_optimizer
def test_steps_are_copies(make):
    optimizer, untouched = make(), make()
    optimizer.ascent(np.ones(SIZE))[:] = 99
    untouched.ascent(np.ones(SIZE))
    np.testing.assert_array_equal(optimizer.ascent(np.ones(SIZE)), untouched.ascent(np.ones(SIZE)))


@pytest.mark.parametrize(
    ("name", "stepsize", "config", "message"),
    [
        ("adagrad", None, {}, "optimizer: expected one of clipup, adam, sgd, got 'adagrad'"),
        ("clipup", 0.0, {}, "stepsize: expected a positive number, got 0.0"),
        ("clipup", None, {"max_speed": -1}, "max_speed: expected a positive number, got -1"),
        ("clipup", None, {"max_speed": float("nan")}, "max_speed: expected a positive number, got nan"),
        ("clipup", None, {"momentum": 1.0}, "momentum: expected a number from 0 up to"),
        ("clipup", None, {"max_sped": 1.0}, "optimizer_config: .*max_sped"),
        ("clipup", None, {"size": 3}, "optimizer_config: .*size"),
        ("adam", None, {"beta1": -0.1}, "beta1: expected a number from 0 up to"),
        ("adam", None, {"beta2": 1}, "beta2: expected a number from 0 up to"),
        ("adam", None, {"epsilon": 0}, "epsilon: expected a positive number, got 0"),
        ("adam", None, {"max_speed": 1.0}, "optimizer_config: .*max_speed"),
        ("sgd", float("inf"), {}, "stepsize: expected a positive number, got inf"),
        ("sgd", "0.1", {}, "stepsize: expected a positive number, got '0.1'"),
        ("sgd", None, {"momentum": True}, "momentum: expected a number from 0 up to"),
    ],
)
def test_bad_arguments_are_refused(name, stepsize, config, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(name, SIZE, stepsize, config)

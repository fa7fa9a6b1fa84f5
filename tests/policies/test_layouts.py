"""A layout flattens as gym and gymnasium do, and survives the saved agent; data that are none are refused."""

from __future__ import annotations

import copy
from typing import Any

import gym
import gymnasium
import numpy as np
import pytest
from spaced_envs import SPACES, leaves

from mpi_pgpe.envs.spaces import read_actions, read_layout
from mpi_pgpe.policies.layout import Layout, flatten_observations

LIBRARIES = {"gym": gym, "gymnasium": gymnasium}
CASES = [pytest.param(lib, name, id=f"{lib}-{name}") for lib in SPACES for name in SPACES[lib] if name != "Box"]


def layout_of(space: Any) -> Layout:
    return read_layout("X", "observations", space)


@pytest.mark.parametrize(("library", "name"), CASES)
def test_a_layout_flattens_as_the_library_does(library: str, name: str) -> None:
    space = SPACES[library][name]
    space.seed(1)
    layout = Layout.from_plain(layout_of(space).to_plain())
    assert layout == layout_of(space)
    assert layout.size == LIBRARIES[library].spaces.flatdim(space)
    for _ in range(20):
        element = space.sample()
        expected = np.asarray(LIBRARIES[library].spaces.flatten(space, element), np.float32)
        np.testing.assert_array_equal(layout.flatten(element), expected)
        np.testing.assert_array_equal(flatten_observations(element, layout.size, layout), expected)
        np.testing.assert_array_equal(flatten_observations(expected, layout.size, layout), expected)


@pytest.mark.parametrize(("library", "name"), CASES)
def test_the_action_of_a_flat_element_is_the_element(library: str, name: str) -> None:
    space = SPACES[library][name]
    space.seed(2)
    layout = layout_of(space)
    elements = [space.sample() for _ in range(5)]
    for element in elements:
        if "large" not in name:  # float32 does not hold them
            for made, given in zip(leaves(layout.make(layout.flatten(element))), leaves(element), strict=True):
                np.testing.assert_allclose(made, given, rtol=1e-6)
    batch = layout.make(np.stack([layout.flatten(element) for element in elements]))
    alone = [layout.make(layout.flatten(element)) for element in elements]
    for i, each in enumerate(alone):
        for made, given in zip(leaves(batch), leaves(each), strict=True):
            np.testing.assert_array_equal(made[i], given)


@pytest.mark.parametrize(("library", "name"), CASES)
def test_any_outputs_within_the_bounds_make_an_action_in_the_space(library: str, name: str) -> None:
    space = SPACES[library][name]
    actions = read_actions("X", space)
    if actions.layout is None:
        return  # Discrete: an integer
    random = np.random.default_rng(0)
    for scale in (0.1, 1, 100, 1e30, np.inf, np.nan):
        outputs = (random.normal(size=actions.size) * scale).astype(np.float32)
        action = actions.to_action(np.clip(outputs, actions.low, actions.high))
        assert space.contains(action), (outputs, action)


def test_numbers_are_rounded_to_the_nearest() -> None:
    layout = layout_of(SPACES["gymnasium"]["Box of integers"])
    assert layout.make(np.float32([-2.6, 1.4])).tolist() == [-3, 1]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Dict", {"a": np.zeros((2, 1)), "b": np.zeros(2)}),
        ("Dict", {"a": np.zeros(2), "b": np.zeros(2), "c": 0}),
        ("Discrete", 5),
        ("Tuple", (1,)),
        ("MultiDiscrete", np.array([3, 0])),
        ("Box of two axes", np.zeros((3, 2))),
        ("Box of two axes", "text"),
    ],
)
def test_an_observation_of_another_form_is_refused(name: str, wrong: Any) -> None:
    layout = layout_of(SPACES["gymnasium"][name])
    with pytest.raises(ValueError, match=r"expected (an )?observations?"):
        flatten_observations(wrong, layout.size, layout)


NESTED = layout_of(SPACES["gymnasium"]["nested"]).to_plain()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "Graph"),
        ("kind", ["Dict"]),
        ("kind", "Tuple"),
        ("dtype", 3),
        ("keys", ["a"]),
        ("keys", ["a", "a"]),
        ("keys", [["a"], "z"]),
        ("parts", None),
        ("parts", []),
        ("shape", [-1]),
        ("counts", [2**70]),
        ("more", 1),
    ],
)
def test_a_file_with_a_layout_of_another_kind_is_refused(name: str, value: Any) -> None:
    plain = copy.deepcopy(NESTED)
    plain[name] = value
    with pytest.raises((ValueError, TypeError)):
        Layout.from_plain(plain)


def test_a_layout_that_would_take_all_memory_or_is_endless_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a layout of 1 to"):
        Layout.from_plain(Layout("Box", (2**20, 2**20)).to_plain())
    endless = Layout("Tuple", parts=(Layout("Box", (1,)),)).to_plain()
    for _ in range(30):
        endless = {**endless, "parts": [endless]}
    with pytest.raises(ValueError, match="expected the layout of a space"):
        Layout.from_plain(endless)


def test_what_a_small_file_can_make_of_a_layout_is_bounded() -> None:
    """Before anything is multiplied, and each space counts as often as it stands there: both could take minutes."""
    leaf = Layout("Box", (1,)).to_plain()
    with pytest.raises(ValueError, match="a shape of at most 64 axes, got 50000"):
        Layout.from_plain(leaf | {"shape": [2**28] * 50_000})
    with pytest.raises(ValueError, match="expected whole numbers from 1 to 268435456"):
        Layout.from_plain(leaf | {"shape": [2**62]})
    laughs = leaf
    for _ in range(3):
        laughs = Layout("Tuple", parts=(Layout("Box", (1,)),)).to_plain() | {"parts": [laughs] * 30}
    with pytest.raises(ValueError, match="at most 10000 spaces in a layout"):
        Layout.from_plain(laughs)

"""The fast paths for MuJoCo's tasks have the bits of the libraries with whatever arguments, actions and states."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import numpy as np
import pytest
from fast_mujoco_tasks import (
    Act,
    assert_same_episode,
    assert_same_in_stretches,
    needs_proved_versions,
    pair,
    random_actions,
)

pytestmark = [pytest.mark.serial, needs_proved_versions]

NO_END: dict[str, Any] = {"terminate_when_unhealthy": False, "healthy_reward": 2}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        (
            "gymnasium/Humanoid-v4",
            {"exclude_current_positions_from_observation": False, "ctrl_cost_weight": 1} | NO_END,
        ),
        ("Humanoid-v5", {"exclude_current_positions_from_observation": False, "frame_skip": 2, "render_mode": None}),
        ("Humanoid-v5", {"include_cinert_in_observation": False, "contact_cost_weight": 1.0} | NO_END),
        ("Humanoid-v5", {"include_cvel_in_observation": False, "include_qfrc_actuator_in_observation": False}),
        ("Humanoid-v5", {"include_cfrc_ext_in_observation": False, "contact_cost_range": (0.1, 0.2)}),
        ("gymnasium/Walker2d-v4", {"healthy_reward": -1.0}),
        ("gymnasium/Walker2d-v4", NO_END),
        ("Walker2d-v5", {"xml_file": "walker2d.xml", "healthy_angle_range": (-0.2, 0.2)}),
        ("Walker2d-v5", {"exclude_current_positions_from_observation": False} | NO_END),
        ("HalfCheetah-v5", {"exclude_current_positions_from_observation": False, "forward_reward_weight": 3}),
        ("Hopper-v5", {"healthy_state_range": (-3.0, 3.0), "exclude_current_positions_from_observation": False}),
        ("gymnasium/Ant-v4", {"use_contact_forces": True, "contact_force_range": (-0.1, 0.2)}),
        ("Ant-v5", {"include_cfrc_ext_in_observation": False, "main_body": 4} | NO_END),
        ("Ant-v5", {"contact_force_range": (-0.1, 0.2), "exclude_current_positions_from_observation": False}),
        ("Swimmer-v5", {"exclude_current_positions_from_observation": False, "ctrl_cost_weight": 0.1}),
        ("Ant-v5", {"contact_force_range": (None, 0.2)}),
        ("gymnasium/Ant-v4", {"use_contact_forces": True, "contact_force_range": (-0.1, None)}),
        ("gymnasium/Ant-v4", {"contact_force_range": None}),
        ("gymnasium/Walker2d-v4", {"terminate_when_unhealthy": 2}),  # and pays twice for an episode's last step
        ("Humanoid-v5", {"contact_cost_range": (None, 0.2), "contact_cost_weight": 1.0}),
        ("Hopper-v5", {"healthy_state_range": (np.linspace(-5, -1, 10), np.linspace(1, 5, 10, dtype=np.float32))}),
        ("Hopper-v5", {"healthy_state_range": (-1.0, 1.0)}),  # which does not count for the height
        ("Humanoid-v5", {"ctrl_cost_weight": np.float32(0.3), "contact_cost_weight": np.float32(0.1)}),
        ("Walker2d-v5", {"ctrl_cost_weight": np.float64(0.3), "healthy_reward": np.float32(0.3)}),
        ("HalfCheetah-v5", {"ctrl_cost_weight": np.float32(0.3), "forward_reward_weight": np.float32(0.3)}),
        ("Swimmer-v5", {"ctrl_cost_weight": 1, "forward_reward_weight": -np.inf}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_same_bits_with_arguments(name: str, config: dict[str, Any]) -> None:
    plain, fast = pair(name, config)
    for seed in range(2):
        assert_same_episode(plain, fast, random_actions(plain, seed), seed, 60)
        assert_same_in_stretches(plain, fast, random_actions(plain, seed), seed, [30, 30])


def test_actions_in_float64() -> None:
    plain, fast = pair("Walker2d-v5")
    rng = np.random.default_rng(0)
    assert_same_episode(plain, fast, lambda _: rng.uniform(-1, 1, 6), 3, 50)


@pytest.mark.parametrize(
    ("name", "argument", "position"),
    [
        ("Humanoid-v5", "healthy_z_range", 2),
        ("Walker2d-v5", "healthy_z_range", 1),
        ("Walker2d-v5", "healthy_angle_range", 2),
        ("Hopper-v5", "healthy_z_range", 1),
        ("Hopper-v5", "healthy_angle_range", 2),
        ("Ant-v5", "healthy_z_range", 2),
        ("gymnasium/Ant-v4", "healthy_z_range", 2),
    ],
)
@pytest.mark.parametrize("kind", [float, np.float32])
def test_same_end_at_a_bound(name: str, argument: str, position: int, kind: type) -> None:
    """At a bound itself, and where np.float32 would see it."""

    def first_step(env: Any) -> tuple[bytes, bool]:
        env.reset(1)
        _, reward, terminated, _, _ = env.step(np.full(env.action_space.size, 0.1, np.float32))
        return struct.pack("d", reward), bool(terminated)

    env, _ = pair(name)
    first_step(env)
    bound, ends = kind(env._env.data.qpos[position]), set()
    for interval in ((bound, 100.0), (-100.0, bound), (-100.0, 100.0), (bound + 1, 100.0)):
        found = [first_step(env) for env in pair(name, {argument: interval})]
        assert found[0] == found[1]
        ends.add(found[0][1])
    assert ends == {True, False}


@pytest.mark.parametrize("kind", [float, np.float32])
@pytest.mark.parametrize("number", range(10))
def test_same_end_at_a_bound_of_one_number_of_the_state(kind: type, number: int) -> None:
    action, ends = np.full(3, 0.1, np.float32), set()
    low, high = np.full((2, 10), 100, kind) * np.array([[-1], [1]], kind)
    env, _ = pair("Hopper-v5")
    env.reset(1), env.step(action)
    bound = env._env.state_vector()[2:][number]
    for side in low, high:
        side[number], before = bound, side[number]
        found = []
        for env in pair("Hopper-v5", {"healthy_state_range": (low.copy(), high.copy())}):
            env.reset(1)
            found.append(bool(env.step(action)[2]))
        assert found[0] == found[1]
        ends.add(found[0])
        side[number] = before
    assert True in ends


def breaking(plain: Any, fast: Any, value: float) -> Act:
    """Actions of which the sixth is an impossible one, in an impossible state."""
    steps = itertools.count()

    def act(_: np.ndarray) -> np.ndarray:
        action = np.full(plain.action_space.size, 0.1, np.float32)
        if next(steps) == 5:
            action[0] = value
            for env in plain, fast:
                env._env.data.qvel[-1] = value
        return action

    return act


@pytest.mark.parametrize("name", ["Humanoid-v5", "Walker2d-v5", "Hopper-v5", "HalfCheetah-v5", "Ant-v5"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
def test_same_bits_when_the_simulation_breaks_down(name: str, value: float) -> None:
    """MuJoCo then begins anew, from where its model does."""
    plain, fast = pair(name, {} if name == "HalfCheetah-v5" else {"terminate_when_unhealthy": False})
    for seed in range(2):
        assert_same_in_stretches(plain, fast, breaking(plain, fast, value), seed, [3, 4, 10])


@pytest.mark.parametrize("name", ["Humanoid-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5"])
def test_same_rewards_before_the_first_reset(name: str) -> None:
    plain, fast = pair(name)
    for _ in range(3):
        action = np.full(plain.action_space.size, 0.1, np.float32)
        assert struct.pack("d", plain._env.step(action)[1]) == struct.pack("d", fast._env.step(action)[1])

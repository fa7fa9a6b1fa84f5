"""pybullet_envs' walkers at more than one and a half times the speed, with the same bits.

pybullet_envs spends most of a step in Python: a call of pybullet for every body part, joint and motor. Here they are
asked and set all at once; the arithmetic is that of pybullet_envs, expression by expression, because the results are
to be its bits (numpy's types and the order of sums included).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpi_pgpe.base.fast_numpy import clip
from mpi_pgpe.envs.verified_versions import explain_unverified

VERIFIED = {"pybullet": {"3.2.7", "pybullet-arm64 3.2.8"}, "numpy": {"1", "2"}}
"""The versions that the equality of bits was verified with (tests/envs/test_fast_bullet.py)."""

# Exactly these classes, and the first of the `rewards` that their reward is the sum of.
_WALKERS = {
    "pybullet_envs.gym_locomotion_envs.HumanoidBulletEnv": 0,
    "pybullet_envs.gym_locomotion_envs.AntBulletEnv": 0,
    "pybullet_envs.gym_locomotion_envs.HopperBulletEnv": 0,
    "pybullet_envs.gym_locomotion_envs.Walker2DBulletEnv": 0,
    "pybullet_envs.gym_locomotion_envs.HalfCheetahBulletEnv": 0,
    "mpi_pgpe.envs.tiny_traj.TinyTrajHumanoidBulletEnv": 1,
}


def use_fast_path(env: Any) -> str | None:
    """Give a walker of pybullet_envs, reset at least once, faster `step` and `reset` methods, in place.

    Returns:
        why a walker had to be left as it is, or None.
    """
    name = f"{type(env).__module__}.{type(env).__qualname__}"
    if name not in _WALKERS or env.isRender:
        return None
    refusal = explain_unverified(env, VERIFIED, "pybullet_envs")
    if refusal is None:
        walker = _Walker(env, _WALKERS[name])
        env.step, env.reset = walker.step, walker.reset
    return refusal


class _Walker:
    """`step` and `reset` of a walker. What pybullet_envs leaves in its objects for others to see is left there too."""

    def __init__(self, env: Any, first_reward: int) -> None:
        import pybullet

        self._pybullet = pybullet
        self._env, self._robot = env, env.robot
        self._first_reward = first_reward
        self._client = env._p._client
        # A number for the humanoid; the height that an episode begins at for the others.
        self._initial_z = env.robot.initial_z if type(env.robot.initial_z) is float else None
        robot = env.robot
        (self._body,) = robot.objects
        (self._floor,) = env.stadium_scene.ground_plane_mjcf
        self._find_parts(robot)
        self._find_joints(robot)
        self._feet = [foot.bodyPartIndex for foot in robot.feet]

        n_joints, n_feet = len(self._joints), len(self._feet)
        self._state = np.zeros(8 + 2 * n_joints + n_feet, np.float32)
        joints = self._state[8 : 8 + 2 * n_joints]
        self._positions, self._speeds = joints[0::2], joints[1::2]
        self._contacts = self._state[8 + 2 * n_joints :]
        self._least, self._most = np.full_like(self._state, -5), np.full_like(self._state, 5)
        self._rotation = np.zeros((3, 3))
        self._rotation[2, 2] = 1
        self._to_target = np.zeros(2)

    def _find_parts(self, robot: Any) -> None:
        """The links to ask for; where the base and the floor stand among the parts (their mean is observed)."""
        parts = list(robot.parts.values())
        self._links = [part.bodyPartIndex for part in parts[:-1] if part.bodyPartIndex >= 0]
        self._base_among_parts = next((i for i, part in enumerate(parts[:-1]) if part.bodyPartIndex < 0), None)
        self._floor_at = tuple(parts[-1].get_position())
        self._torso = robot.robot_body.bodyPartIndex

    def _find_joints(self, robot: Any) -> None:
        joints = robot.ordered_joints
        self._joints = [joint.jointIndex for joint in joints]
        self._ranges = [
            (0.5 * (joint.lowerLimit + joint.upperLimit), joint.upperLimit - joint.lowerLimit) for joint in joints
        ]
        motors, powers = getattr(robot, "motors", joints), getattr(robot, "motor_power", None)
        self._motors = [motor.jointIndex for motor in motors]
        self._gains = robot.power * np.array([motor.power_coef for motor in motors] if powers is None else powers)
        # The humanoid multiplies one action, a scalar, by them: its type decides under numpy 2, as float64 did before.
        # The others make a Python float of it first.
        self._scalars_decide = powers is not None and type(1.0 * np.float32(1)) is np.float32

    def reset(self) -> Any:
        """WalkerBaseBulletEnv.reset, from the second one on."""
        env, robot, pb, client = self._env, self._robot, self._pybullet, self._client
        env._p.restoreState(env.stateId)
        env.stadium_scene.cpp_world.clean_everything()
        n = len(self._joints)
        # One by one as pybullet_envs does: every call moves Bullet's bounding boxes, and how they got where they are
        # decides in what order contacts are solved later.
        for joint, angle in zip(
            self._joints, robot.np_random.uniform(low=-0.1, high=0.1, size=n).tolist(), strict=True
        ):
            pb.resetJointState(self._body, joint, targetValue=angle, targetVelocity=0, physicsClientId=client)
        pb.setJointMotorControlArray(
            self._body,
            self._joints,
            pb.POSITION_CONTROL,
            targetPositions=[0.0] * n,
            targetVelocities=[0.0] * n,
            forces=[0.0] * n,
            positionGains=[0.1] * n,
            velocityGains=[0.1] * n,
            physicsClientId=client,
        )
        self._contacts[:] = 0
        robot.feet_contact = self._contacts
        robot.initial_z = self._initial_z
        env.frame = env.done = env.reward = 0
        state = self._calc_state()
        env.potential = robot.calc_potential()
        return state

    def step(self, a: Any) -> tuple[Any, float, bool, dict[str, Any]]:
        """WalkerBaseBulletEnv.step."""
        env, robot, pb, client = self._env, self._robot, self._pybullet, self._client
        a = np.asarray(a)
        assert np.isfinite(a).all()
        gains = self._gains.astype((1.0 * a.dtype.type(1)).dtype) if self._scalars_decide else self._gains
        torques = gains * np.minimum(np.maximum(a, -1), 1)
        pb.setJointMotorControlArray(
            self._body, self._motors, pb.TORQUE_CONTROL, forces=torques.tolist(), physicsClientId=client
        )
        pb.stepSimulation(physicsClientId=client)

        state = self._calc_state()
        env._alive = float(robot.alive_bonus(state[0] + robot.initial_z, robot.body_rpy[1]))
        done = env._isDone() or not math.isfinite(np.add.reduce(state))  # each is in -5..5 or NaN

        potential_old = env.potential
        env.potential = robot.calc_potential()
        progress = float(env.potential - potential_old)

        on_floor = {contact[3] for contact in pb.getContactPoints(self._body, self._floor, physicsClientId=client)}
        self._contacts[:] = [link in on_floor for link in self._feet]

        electricity_cost = env.electricity_cost * float(_mean(np.abs(a * self._speeds)))
        electricity_cost += env.stall_torque_cost * float(_mean(np.square(a)))
        joints_at_limit_cost = float(env.joints_at_limit_cost * robot.joints_at_limit)
        env.rewards = [env._alive, progress, electricity_cost, joints_at_limit_cost, 0.0]
        env.reward += sum(env.rewards)
        return state, sum(env.rewards[self._first_reward :]), bool(done), {}

    def _calc_state(self) -> Any:
        """WalkerBase.calc_state; returns a new array."""
        robot, pb, client, body, state = self._robot, self._pybullet, self._client, self._body, self._state

        joints = pb.getJointStates(body, self._joints, physicsClientId=client)
        self._positions[:] = [
            2 * (joint[0] - middle) / width for joint, (middle, width) in zip(joints, self._ranges, strict=True)
        ]
        self._speeds[:] = [0.1 * joint[1] for joint in joints]
        robot.joint_speeds = self._speeds
        robot.joints_at_limit = np.count_nonzero(np.abs(self._positions) > 0.99)

        at = [link[0] for link in pb.getLinkStates(body, self._links, physicsClientId=client)]
        if self._base_among_parts is None:
            torso = pb.getLinkState(body, self._torso, computeLinkVelocity=1, physicsClientId=client)
            xyz, quaternion, velocity = torso[0], torso[1], torso[6]
        else:
            xyz, quaternion = pb.getBasePositionAndOrientation(body, physicsClientId=client)
            velocity = pb.getBaseVelocity(body, physicsClientId=client)[0]
            at.insert(self._base_among_parts, xyz)
        at.append(self._floor_at)
        x, y, z = _mean(np.array([p[0] for p in at])), _mean(np.array([p[1] for p in at])), xyz[2]
        robot.body_xyz, robot.body_real_xyz = (x, y, z), xyz
        robot.body_rpy = roll, pitch, yaw = pb.getEulerFromQuaternion(quaternion)
        if robot.initial_z is None:
            robot.initial_z = np.float64(z)

        to_target = self._to_target
        to_target[:] = robot.walk_target_y - y, robot.walk_target_x - x
        robot.walk_target_theta = np.arctan2(to_target[0], to_target[1])
        robot.walk_target_dist = np.sqrt(to_target.dot(to_target))
        angle_to_target = robot.walk_target_theta - yaw
        rotation = self._rotation
        rotation[0, 0] = rotation[1, 1] = np.cos(-yaw)
        rotation[1, 0] = sine = np.sin(-yaw)
        rotation[0, 1] = -sine
        vx, vy, vz = np.dot(rotation, velocity).tolist()  # back to the body's point of view
        state[:8] = (
            z - robot.initial_z,
            np.sin(angle_to_target),
            np.cos(angle_to_target),
            0.3 * vx,
            0.3 * vy,
            0.3 * vz,
            roll,
            pitch,
        )
        return clip(state, self._least, self._most)


def _mean(values: Any) -> Any:
    """values.mean(), without what surrounds its arithmetic."""
    total = np.add.reduce(values)
    return total.dtype.type(total / len(values))

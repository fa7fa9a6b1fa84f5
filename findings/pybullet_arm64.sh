#!/bin/bash
# pybullet-arm64 has pybullet's name, physics and bits, but no numpy: pictures are tuples; no package is called pybullet.
#
# Versions:  pybullet-arm64 3.2.8, pybullet 3.2.7, numpy 1.26.4; on x86-64, for which it has wheels all the same
# Expected:  "Drop-in replacement for pybullet": what it returns has the types of pybullet, with numpy there.
# Behaviour: 400 steps of the humanoid have the same bits. But it was built without numpy: getCameraImage returns tuples
#            of numbers, without a warning; and programs that ask for the version of `pybullet` are told that there is none.
# Seen:
#   pybullet: bits as the other's: True; picture: ndarray; importlib.metadata: 3.2.7
#   pybullet-arm64: bits as the other's: True; picture: tuple; importlib.metadata: PackageNotFoundError
. "$(dirname "$0")/_common.sh"

layer pybullet pybullet==3.2.7 numpy==1.26.4
layer pybullet-arm64 --only-binary=:all: pybullet-arm64==3.2.8 numpy==1.26.4

cat >humanoid.py <<'P'
import hashlib, importlib.metadata, numpy as np, pybullet as p, pybullet_data

DATA = pybullet_data.getDataPath() + "/mjcf/"
p.connect(p.DIRECT)
p.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
p.setGravity(0, 0, -9.8)
p.loadMJCF(DATA + "ground_plane.xml")
(body,) = p.loadMJCF(DATA + "humanoid_symmetric.xml", flags=p.URDF_USE_SELF_COLLISION)
joints = [j for j in range(p.getNumJoints(body)) if p.getJointInfo(body, j)[2] == p.JOINT_REVOLUTE]
p.setJointMotorControlArray(body, joints, p.VELOCITY_CONTROL, forces=[0] * len(joints))
seen, random = hashlib.sha256(), np.random.default_rng(0)
for _ in range(400):
    forces = (40 * random.normal(size=len(joints))).tolist()
    p.setJointMotorControlArray(body, joints, p.TORQUE_CONTROL, forces=forces)
    p.stepSimulation()
    states = [state[0] for state in p.getJointStates(body, joints)]
    seen.update(np.array([*p.getBasePositionAndOrientation(body)[0], *states]).tobytes())
try:
    version = importlib.metadata.version("pybullet")
except importlib.metadata.PackageNotFoundError as error:
    version = type(error).__name__
print("found", seen.hexdigest(), type(p.getCameraImage(8, 8)[2]).__name__, version)
P
for name in pybullet pybullet-arm64; do
  $name/bin/python humanoid.py >out 2>err || tail -n 3 err
  grep ^found out >"$name.found"
done
read -r _ one picture version <pybullet.found
read -r _ other fork_picture fork_version <pybullet-arm64.found
same=$([ "$one" = "$other" ] && echo True || echo False)
echo "pybullet: bits as the other's: $same; picture: $picture; importlib.metadata: $version"
echo "pybullet-arm64: bits as the other's: $same; picture: $fork_picture; importlib.metadata: $fork_version"
[ "$same $picture $fork_picture $fork_version" = "True ndarray tuple PackageNotFoundError" ]
verdict $?

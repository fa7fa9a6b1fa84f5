#!/bin/bash
# gymnasium-robotics beside MuJoCo 4: its Fetch environments cannot be made, and pip does not object to the pair.
#
# Versions:  gymnasium-robotics 1.4.2, gymnasium 1.4.0, numpy 2.4.6; mujoco 3.3.7 and 4.0.0
# Expected:  what pip installs together works together, or says what does not fit.
# Behaviour: the package asks for mujoco>=2.2.0. With 4.0.0 gymnasium.make ends in an AssertionError without a message.
#            It asserts that a joint's type, a numpy integer, is in a tuple of mjtJoint's members. Such a member no longer
#            equals a numpy integer in 4.0.0 when it stands on the left, where `in` puts it; on the right it does.
# Seen:
#   mujoco 3.3.7: type == SLIDE: True, SLIDE == type: True; FetchReach-v4: made; pip check: No broken requirements found.
#   mujoco 4.0.0: type == SLIDE: True, SLIDE == type: False; FetchReach-v4: AssertionError '' in set_joint_qpos; pip check: No broken requirements found.
. "$(dirname "$0")/_common.sh"

layer old gymnasium-robotics==1.4.2 gymnasium==1.4.0 numpy==2.4.6 mujoco==3.3.7
layer new gymnasium-robotics==1.4.2 gymnasium==1.4.0 numpy==2.4.6 mujoco==4.0.0

cat >fetch.py <<'P'
import traceback, warnings
warnings.simplefilter("ignore")
import gymnasium, gymnasium_robotics, mujoco

model = mujoco.MjModel.from_xml_string("""<mujoco><worldbody>
    <body><joint type="slide"/><geom size=".1"/></body></worldbody></mujoco>""")
kind, SLIDE = model.jnt_type[0], mujoco.mjtJoint.mjJNT_SLIDE
gymnasium.register_envs(gymnasium_robotics)
try:
    gymnasium.make("FetchReach-v4").reset(seed=1)
    said = "made"
except AssertionError as error:
    said = f"AssertionError {str(error)!r} in {traceback.extract_tb(error.__traceback__)[-1].name}"
print(f"mujoco {mujoco.__version__}: type == SLIDE: {kind == SLIDE}, SLIDE == type: {SLIDE == kind}; FetchReach-v4: {said}")
P
for which in old new; do
  found=$($which/bin/python fetch.py 2>err) || tail -n 3 err
  echo "$found; pip check: $("$PYTHON" -m pip --python $which/bin/python check 2>&1 | tail -n 1)" | tee -a seen
done
grep -q "3.3.7.*, SLIDE == type: True; FetchReach-v4: made; pip check: No broken" seen &&
  grep -q "4.0.0.*, SLIDE == type: False; FetchReach-v4: AssertionError '' .*; pip check: No broken" seen
verdict $?

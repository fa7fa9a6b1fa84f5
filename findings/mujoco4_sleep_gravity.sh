#!/bin/bash
# MuJoCo 4: bodies that sleep do not notice that gravity was changed.
#
# Versions:  mujoco 4.0.0, numpy 2.4.6; a box at rest on a plane, then gravity is turned by 45 degrees
# Expected:  the box slides or tips over (as environments that change gravity or a slope between or during episodes want).
# Behaviour: with <flag sleep="enable"/> it stays where it is: forces on a body, and its velocity, are looked at to wake it;
#            the model is not.
# Seen (how far it moved in half a second):
#   without sleep: 1.108 m; with sleep: 0 m; with sleep and a push on the body: 1.132 m
. "$(dirname "$0")/_common.sh"

packages mujoco==4.0.0 numpy==2.4.6

cat >gravity.py <<'P'
import mujoco

def moved(sleep, gravity=0, push=0):
    model = mujoco.MjModel.from_xml_string(f"""<mujoco><option><flag sleep="{sleep}"/></option><worldbody>
        <geom type="plane" size="50 50 .1" friction=".1"/>
        <body pos="0 0 .1"><freejoint/><geom type="box" size=".1 .1 .1" friction=".1"/></body></worldbody></mujoco>""")
    data = mujoco.MjData(model)
    for _ in range(2000):
        mujoco.mj_step(model, data)
    before = data.qpos[0]
    model.opt.gravity[0], data.xfrc_applied[1, 0] = gravity, push
    for _ in range(250):
        mujoco.mj_step(model, data)
    return data.qpos[0] - before

awake, asleep, pushed = moved("disable", 9.81), moved("enable", 9.81), moved("enable", 0, 80)
print(f"without sleep: {awake:.3f} m; with sleep: {asleep:.3g} m; with sleep and a push on the body: {pushed:.3f} m")
assert awake > 0.1 and abs(asleep) < 1e-6 and pushed > 0.1
P
python gravity.py
verdict $?

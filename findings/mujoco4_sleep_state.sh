#!/bin/bash
# MuJoCo 4: who sleeps belongs to no state that can be saved; a restored simulation goes on otherwise.
#
# Versions:  mujoco 4.0.0, numpy 2.4.6; boxes at rest on a plane, <flag sleep="enable"/>
# Expected:  mjSTATE_INTEGRATION is all that the future depends on: copied with mj_getState and mj_setState, a
#            simulation goes on with the same bits (it does without sleep).
# Behaviour: data.tree_asleep is not in it. The copy is awake, falls asleep later or not, and differs from the
#            original from its first step. mj_resetData does wake everything, so episodes that begin with it are the same.
# Seen:
#   without sleep: copy goes on the same: True
#   with sleep: 0 trees awake, in the copy 3; copy goes on the same: False; after mj_resetData as fresh: True
. "$(dirname "$0")/_common.sh"

packages mujoco==4.0.0 numpy==2.4.6

cat >asleep.py <<'P'
import mujoco, numpy as np

def goes_on(sleep):
    boxes = "".join(f'<body pos="{x} 0 {z}"><freejoint/><geom type="box" size=".1 .1 .1"/></body>'
                    for x, z in ((0, 0.1), (0.5, 0.3), (1, 0.11)))
    model = mujoco.MjModel.from_xml_string(f"""<mujoco><option><flag sleep="{sleep}"/></option>
        <worldbody><geom type="plane" size="5 5 .1"/>{boxes}</worldbody></mujoco>""")
    def run(data, steps):
        for _ in range(steps):
            mujoco.mj_step(model, data)
        return np.concatenate([data.qpos, data.qvel])
    data, copy, kind = mujoco.MjData(model), mujoco.MjData(model), mujoco.mjtState.mjSTATE_INTEGRATION
    run(data, 3000)
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    mujoco.mj_setState(model, copy, state, kind)
    awake = data.ntree_awake, copy.ntree_awake
    same = np.array_equal(run(data, 500), run(copy, 500))
    mujoco.mj_resetData(model, data)
    return same, awake, np.array_equal(run(data, 1500), run(mujoco.MjData(model), 1500))

plain, (asleep, awake, fresh) = goes_on("disable")[0], goes_on("enable")
print("without sleep: copy goes on the same:", plain)
print(f"with sleep: {awake[0]} trees awake, in the copy {awake[1]};",
      f"copy goes on the same: {asleep}; after mj_resetData as fresh: {fresh}")
assert plain and not asleep and fresh and awake[0] < awake[1]
P
python asleep.py
verdict $?

#!/bin/bash
# gym's LunarLander simulates smoke that nobody sees.
#
# Versions:  gym 0.26.2, Box2D 2.3.10, pygame-ce 2.5.8, numpy 1.26.4
# Expected:  particles are there to be drawn; without a render_mode there are none.
# Behaviour: each step with an engine on adds a Box2D body for each engine that is on; they collide with the ground,
#            and take most of the time. What the lander does is the same to the bit without them.
# Seen:
#   render_mode None: 120 particles among 124 bodies after 60 steps; rewards without them the same: True
. "$(dirname "$0")/_common.sh"

packages gym==0.26.2 Box2D==2.3.10 pygame-ce==2.5.8 numpy==1.26.4

cat >smoke.py <<'P'
import warnings
warnings.simplefilter("ignore")
import gym, numpy as np

def episode(smoke):
    env = gym.make("LunarLanderContinuous-v2", disable_env_checker=True).unwrapped
    if not smoke:
        class Nothing:
            def ApplyLinearImpulse(self, *_): pass
        env._create_particle = lambda *_: Nothing()
    env.reset(seed=1)
    rewards = [env.step(np.array([1, 1], np.float32))[1] for _ in range(60)]
    return env, rewards

with_smoke, rewards = episode(True)
_, others = episode(False)
n, bodies = len(with_smoke.particles), len(with_smoke.world.bodies)
print(f"render_mode {with_smoke.render_mode}: {n} particles among {bodies} bodies after 60 steps;",
      "rewards without them the same:", rewards == others)
assert n > 50 and rewards == others
P
python smoke.py 2>err || { cat err; false; }
verdict $?

"""MuJoCo's tasks: gym's v2 on mujoco-py and on today's MuJoCo, and later ones of gym and gymnasium.

    step               what the fast paths of all tasks have in common
    gymnasium_fast     v4 and v5 near the speed of their physics, with the same bits
    mujoco_py_fast     v2 on mujoco-py likewise
    v2, v2_masses      v2 without mujoco-py, and the masses that its models had
    v2_tasks           what v2 computes in a step
    log                MuJoCo's warnings, kept out of the working folder
    mujoco_py_setup    where mujoco-py and MuJoCo 2.1 are

May import what envs may.
"""

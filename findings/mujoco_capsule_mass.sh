#!/bin/bash
# MuJoCo 2.1 took a capsule's mass and inertia for those of a cylinder; later versions are exact.
#
# Versions:  MuJoCo 2.1.0 (the library inside PyPI's free-mujoco-py 2.1.6) and mujoco 4.0.0; a capsule with r = h = 1
# Expected:  one XML model has one mass; (exact: pi r^2 (2 h + 4/3 r) times the density, here 10.47)
# Behaviour: 2.1.0 has the cylinder of half length h + r/2, 9.42, and its moments; 4.0.0 has the capsule's.
#            The humanoid of the v2 tasks is 6 % heavier on later versions; agents trained on 2.1 fall over there.
# Seen:
#   2.1.0 (two digits): mass 9.4 inertia 9.4 9.4 4.7
#   4.0.0: mass 10.472 inertia 12.6711 12.6711 4.81711
. "$(dirname "$0")/_common.sh"

packages mujoco==4.0.0 numpy==2.4.6
layer "$WORK/venv" --no-deps --ignore-requires-python free-mujoco-py==2.1.6

cat >capsule.py <<'P'
import ctypes, glob, mujoco, sysconfig

XML = '<mujoco><worldbody><body><freejoint/><geom type="capsule" size="1 1" density="1"/></body></worldbody></mujoco>'
with open("capsule.xml", "w") as file:
    file.write(XML)
(path,) = glob.glob(sysconfig.get_path("purelib") + "/**/libmujoco210nogl.so", recursive=True)
old, error = ctypes.CDLL(path), ctypes.create_string_buffer(1000)
old.mj_loadXML.restype = ctypes.c_void_p
model = old.mj_loadXML(b"capsule.xml", None, error, 1000)
assert model, error.value
old.mj_printModel(ctypes.c_void_p(model), b"old.txt")
found = {line.split()[0]: line.split()[1:] for line in open("old.txt") if line.startswith("  ")}
print("2.1.0 (two digits): mass", *found["mass"], "inertia", *found["inertia"])
new = mujoco.MjModel.from_xml_string(XML)
mass, inertia = new.body_mass[1], new.body_inertia[1]
print(f"{mujoco.__version__}: mass {mass:.6g} inertia", *(f"{x:.6g}" for x in inertia))
old_values = [float(x) for x in found["mass"] + found["inertia"]]
assert all(abs(a - b) < 0.06 for a, b in zip(old_values, [9.425, 9.425, 9.425, 4.712], strict=True))
assert abs(mass - 10.47198) < 1e-4 and abs(inertia[0] - 12.6711) < 1e-3
P
python capsule.py
verdict $?

#!/bin/bash
# `pip install mujoco==4.0.0` over 3.17 leaves a package that cannot be imported; pip check is content.
#
# Versions:  mujoco 3.17.0, then 4.0.0, in one environment; the pip that is there
# Expected:  an upgrade leaves what a new installation has.
# Behaviour: 4.0.0 has its files in other packages (mujoco-core, mujoco-studio), which pip installs before it removes
#            those of 3.17.0, with files of the same names. import then ends in an error that says how to mend it.
# Seen:
#   before: 3.17.0
#   after: ImportError, pip check: No broken requirements found.
#   mended (force-reinstall): 4.0.0
. "$(dirname "$0")/_common.sh"

try() { python -c 'import mujoco; mujoco.MjModel; print(mujoco.__version__)' 2>err || tail -n 12 err | grep -o '^[A-Za-z]*Error' | tail -n 1; }
packages mujoco==3.17.0 numpy==2.4.6
before=$(try)
packages mujoco==4.0.0 numpy==2.4.6
after=$(try)
check=$("$PYTHON" -m pip --python venv/bin/python check 2>&1 | tail -n 1)
echo "before: $before"
echo "after: $after, pip check: $check"
packages --force-reinstall --no-deps mujoco==4.0.0 mujoco-core==4.0.0 mujoco-studio==4.0.0
mended=$(try)
echo "mended (force-reinstall): $mended"
[ "$before" = 3.17.0 ] && [[ $after == *Error ]] && [[ $check == "No broken"* ]] && [ "$mended" = 4.0.0 ]
verdict $?

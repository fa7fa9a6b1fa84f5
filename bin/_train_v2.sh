#!/bin/bash
# _train_v2.sh CONFIGURATION TASK [ARGUMENT...]: _train.sh with TASK-v2 in the physics that V2 chooses: mujoco-py's
# (V2=mujoco-py, the default) or the same on today's MuJoCo (V2=modern). Says which.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"
configuration=$1 task=$2
shift 2
install all
case "${V2:-mujoco-py}" in
  modern)
    configuration+=" env_name=mpi_pgpe/$task-v2"
    echo "physics: today's MuJoCo with the masses of MuJoCo 2.1 (mpi_pgpe/$task-v2)"
    ;;
  mujoco-py)
    missing=$("$PY" -c 'from mpi_pgpe.envs import mujoco_py_setup as m; print(m.what_is_missing() or "")')
    if [ -z "$missing" ]; then
      echo "physics: mujoco-py with MuJoCo 2.1 (gym/$task-v2)"
    else
      echo "physics: mujoco-py with MuJoCo 2.1 (gym/$task-v2), but $missing" >&2
      echo "  bin/install_mujoco_py installs it; V2=modern runs the same on today's MuJoCo" >&2
    fi
    ;;
  *)
    echo "V2: expected modern or mujoco-py, got $V2" >&2
    exit 1
    ;;
esac
exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" "$configuration" "$@"

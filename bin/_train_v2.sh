#!/bin/bash
# _train_v2.sh CONFIGURATION TASK [ARGUMENT...]: _train.sh with TASK-v2 in the physics that V2 chooses: mujoco-py's
# (V2=mujoco-py) or the same on today's MuJoCo (V2=modern); without V2 mujoco-py's where it is installed. Says which.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"
configuration=$1 task=$2
shift 2
case "${1:-}" in -h | --help | help) exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" "$configuration" "$1" ;; esac
install all
missing=$("$PY" -c 'from mpi_pgpe.envs.mujoco import mujoco_py_setup as m; print(m.what_is_missing() or "")')
case "${V2:-}" in
  modern) why="as V2 says" ;;
  '') why=${missing:+because mujoco-py cannot be used: $missing; bin/install_mujoco_py installs it} ;;
  mujoco-py)
    why=
    if [ -n "$missing" ]; then
      echo "V2=mujoco-py, but $missing; bin/install_mujoco_py installs it" >&2
      exit 1
    fi
    ;;
  *)
    echo "V2: expected modern or mujoco-py, got $V2" >&2
    exit 1
    ;;
esac
if [ -n "$why" ]; then
  configuration+=" env_name=mpi_pgpe/$task-v2"
  echo "physics: that of $task-v2 on today's MuJoCo (mpi_pgpe/$task-v2), $why"
else
  echo "physics: mujoco-py with MuJoCo 2.1 (gym's $task-v2)"
fi
exec "$(dirname "${BASH_SOURCE[0]}")/_train.sh" "$configuration" "$@"

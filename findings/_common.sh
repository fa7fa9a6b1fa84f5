# shellcheck shell=bash
# Sourced by the scripts beside it. Makes a temporary folder, goes there, and removes it at the end; nothing of this
# project is on the path.
#   packages NAME==VERSION...   installs them from PyPI in an environment of their own, whose bin comes first on PATH
#   layer FOLDER NAME==VERSION...  the same in a second environment; its interpreter is FOLDER/bin/python
#   slurm_node                  brings up a Slurm of one node with the script of this project's tests; root, installs with apt
#   cannot REASON               ends: the behaviour cannot be looked at here
#   verdict 0|1                 ends: the behaviour is as described, or has changed
# PYTHON names the interpreter to begin with (python3).

set -uo pipefail
FIXTURES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/tests/cluster
PYTHON=$(command -v "${PYTHON:-python3}")
WORK=$(mktemp -d)
at_end() { :; } # a script may have something to stop
clean() {
  local code=$?
  at_end
  cd / && rm -rf "$WORK"
  exit $code
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$WORK" || exit 1
unset PYTHONPATH PYTHONSTARTUP PYTHONHOME VIRTUAL_ENV
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export SETUPTOOLS_USE_DISTUTILS=stdlib PYTHONWARNINGS=ignore

cannot() {
  echo "cannot run here: $*"
  exit 77
}

layer() {
  local folder=$1
  shift
  [ -x "$folder/bin/python" ] || "$PYTHON" -m venv --without-pip "$folder" >&2 || cannot "no python3 with the venv module"
  "$PYTHON" -m pip --python "$folder/bin/python" install --quiet --prefer-binary --no-compile "$@" >pip.log 2>&1 ||
    { tail -n 3 pip.log; cannot "pip cannot install $*"; }
}

packages() {
  layer "$WORK/venv" "$@"
  export PATH=$WORK/venv/bin:$PATH
}

slurm_node() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then cannot "needs root, and apt for Slurm"; fi
  chmod 711 "$WORK" # munged insists on it
  export SLURM_FIXTURE=$WORK/slurm SLURM_NODES=1 SLURM_PORT=18300
  # shellcheck disable=SC2329  # called by clean
  at_end() { "$FIXTURES/slurm-down.sh" >/dev/null 2>&1; }
  "$FIXTURES/slurm-up.sh" >slurm.log 2>&1 || { tail -n 3 slurm.log; cannot "Slurm does not come up"; }
  # shellcheck source=/dev/null
  . "$SLURM_FIXTURE/env.sh"
}

verdict() {
  if [ "$1" = 0 ]; then echo "as described"; else echo "CHANGED"; fi
  exit $(($1 != 0))
}

# shellcheck shell=bash
# Sourced by the scripts beside it: makes .venv and installs into it, once for each set of extras.
#   . "$(dirname "$0")/_environment.sh"; install all test
# Afterwards $PY is the environment's python and its mpiexec comes first on PATH.
# PYTHON names the interpreter to make .venv with (python3), VENV another place for it, NUMPY and MUJOCO other versions
# of these packages.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
PY=$VENV/bin/python
TORCH=torch==2.13.0 # named exactly: a range would bring gigabytes of CUDA libraries; empty: without
export PATH=$VENV/bin:$PATH

install() { # install EXTRA...
  local wanted stamp log extras constraints
  extras=$(IFS=,; echo "$*")
  stamp=$VENV/.installed-$extras
  constraints=$(sed ${NUMPY:+-e "s/^numpy==.*/numpy==$NUMPY/"} ${MUJOCO:+-e "s/^mujoco==[^;]*/mujoco==$MUJOCO/"} \
    -e '' "$ROOT/bin/constraints.txt")
  wanted=$(cat "$ROOT/setup.py" - <<<"$constraints" | cksum)
  if [ -x "$PY" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
  log=$(mktemp)
  echo "installing into $VENV (once; a minute or two)"
  {
    # Also where an earlier attempt was broken off halfway:
    { "$PY" -m pip --version || "${PYTHON:-python3}" -m venv --clear "$VENV"; } &&
      echo "$constraints" >"$VENV/constraints.txt" &&
      "$PY" -m pip install --disable-pip-version-check -c "$VENV/constraints.txt" setuptools wheel &&
      "$PY" -m pip install --disable-pip-version-check -c "$VENV/constraints.txt" \
        --no-build-isolation $TORCH -e "${ROOT}[$extras]" &&
      "$PY" -m pip check
  } >"$log" 2>&1 || {
    cat "$log" >&2
    echo "installation failed (messages above); python3 with the venv module is needed: apt-get install python3-venv" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
  echo "$wanted" >"$stamp"
}

ranks() { # the number of ranks to start: NRANKS, or all cores
  case "${NRANKS:-$(nproc)}" in
    *[!0-9]* | 0) echo "NRANKS: expected a number of ranks, got '$NRANKS'" >&2; return 1 ;;
    *) echo "${NRANKS:-$(nproc)}" ;;
  esac
}

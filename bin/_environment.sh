# shellcheck shell=bash
# Sourced by the scripts beside it: makes .venv and installs into it, once for each set of extras.
#   . "$(dirname "$0")/_environment.sh"; install all test
# Afterwards $PY is the environment's python and its mpiexec comes first on PATH.
# PYTHON names the interpreter to make .venv with (python3), VENV another place for it, CONSTRAINTS another file of
# versions than bin/constraints.txt.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
CONSTRAINTS=${CONSTRAINTS:-$ROOT/bin/constraints.txt}
PY=$VENV/bin/python
TORCH=torch==2.13.0 # named exactly: a range would bring gigabytes of CUDA libraries
PYTHONS="3.10 3.11 3.12 3.13" # that have wheels of all simulators
export PATH=$VENV/bin:$PATH

install() { # install EXTRA...
  local wanted stamp log extras torch=
  extras=$(IFS=,; echo "$*")
  stamp=$VENV/.installed-$extras
  wanted=$(cat "$ROOT/setup.py" "$CONSTRAINTS" | cksum)
  if [ -x "$PY" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
  check_python || return
  case " $* " in *" test "*) torch=$TORCH ;; esac
  log=$(mktemp)
  echo "installing into $VENV (once; a minute or two)"
  {
    # Also where an earlier attempt was broken off halfway:
    { "$PY" -m pip --version || "${PYTHON:-python3}" -m venv --clear "$VENV"; } &&
      "$PY" -m pip install --disable-pip-version-check -c "$CONSTRAINTS" setuptools wheel &&
      "$PY" -m pip install --disable-pip-version-check -c "$CONSTRAINTS" \
        --no-build-isolation $torch -e "${ROOT}[$extras]" &&
      "$PY" -m pip check
  } 2>&1 | tee "$log" | show_progress || {
    cat "$log" >&2
    echo "installation failed; pip's messages are above" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
  echo "$wanted" >"$stamp"
}

check_python() { # before anything is downloaded
  local python=${PYTHON:-python3} version
  # That of an environment which is there is taken, and one that was left half made is made anew.
  ! "$PY" -m pip --version >/dev/null 2>&1 || python=$PY
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || {
    echo "expected a Python, got $python, which does not run; PYTHON=python3.11 $0 names another" >&2
    return 1
  }
  case " $PYTHONS " in *" $version "*) ;; *)
    echo "expected Python 3.10 to 3.13, got $version ($python): PyBullet and Box2D have wheels for those alone;" \
      "PYTHON=python3.13 $0 names another" >&2
    return 1
    ;;
  esac
  "$python" -c 'import ensurepip, venv' 2>/dev/null || [ "$python" = "$PY" ] || {
    echo "Python's venv module is missing: apt-get install python3-venv" >&2
    return 1
  }
}

show_progress() { # what pip says on standard input, in a few lines
  local line name version
  while IFS= read -r line; do
    case $line in
    *"Downloading "*" MB)"* | *"Using cached "*" MB)"*)
      line=${line#*Downloading }
      line=${line#*Using cached }
      line=${line##*/}
      IFS=- read -r name version _ <<<"${line%% *}"
      echo "  getting $name $version (${line##*(}"
      ;;
    *"Building wheel for "*": started"*) line=${line#* for } && echo "  building ${line%% *}" ;;
    "Installing collected packages: "*) echo "  installing $(tr -cd , <<<"$line," | wc -c) packages" ;;
    esac
  done
}

layer() { # layer NAME PACKAGE==VERSION...: makes $VENV-NAME, which holds these packages alone and takes the rest from $VENV
  local layer=$VENV-$1 stamp log
  stamp=$layer/.installed
  shift
  set -- "$@" "$(grep '^mpich==' "$CONSTRAINTS")" # mpi4py looks for it beside the interpreter
  if [ "$(cat "$stamp" 2>/dev/null)" != "$*" ]; then
    log=$(mktemp)
    echo "installing $* into $layer"
    {
      rm -rf "$layer" &&
        "$PY" -m venv --without-pip "$layer" &&
        "$PY" -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
          >"$("$layer/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth" &&
        "$PY" -m pip --python "$layer/bin/python" install --disable-pip-version-check --no-deps --ignore-installed "$@"
    } >"$log" 2>&1 || {
      cat "$log" >&2
      rm -f "$log"
      return 1
    }
    rm -f "$log"
    echo "$*" >"$stamp"
  fi
  PY=$layer/bin/python
}

ranks() { # the number of ranks to start: NRANKS, or all cores
  case "${NRANKS:-$(nproc)}" in
    *[!0-9]* | 0) echo "NRANKS: expected a number of ranks, got '$NRANKS'" >&2; return 1 ;;
    *) echo "${NRANKS:-$(nproc)}" ;;
  esac
}

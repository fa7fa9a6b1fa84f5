#!/bin/bash
# mlflow-skinny, as pip installs it, records no run on one's own disk: its default store lacks packages, ./mlruns is refused.
#
# Versions:  mlflow-skinny 3.17.2; then sqlalchemy 2.1.9 and alembic 1.20.1 beside it
# Expected:  a run that names no store is recorded on this disk; if not in its default store, then in the folder ./mlruns.
# Behaviour: the default is a SQLite file, and SQLite needs sqlalchemy and alembic, which the package does not require; the
#            error says that the URI is unsupported, and names neither. It lists '' and 'file' as supported, but
#            ./mlruns is refused, unless MLFLOW_ALLOW_FILE_STORE=true.
# Seen:
#   default, sqlite:///: UnsupportedModelRegistryStoreURIException
#   ./mlruns: MlflowException
#   ./mlruns with MLFLOW_ALLOW_FILE_STORE=true: recorded
#   default, sqlite:///, with sqlalchemy and alembic: recorded
. "$(dirname "$0")/_common.sh"

packages mlflow-skinny==3.17.2
export MLFLOW_DISABLE_TELEMETRY=true
unset MLFLOW_TRACKING_URI MLFLOW_ALLOW_FILE_STORE

cat >store.py <<'P'
import os, sys, tempfile

os.chdir(tempfile.mkdtemp(dir="."))  # the default is another one where ./mlruns is
import mlflow
from mlflow import MlflowClient

uri = (sys.argv[1:] or [mlflow.get_tracking_uri()])[0]
shown = uri if sys.argv[1:] else f"default, {uri.partition('///')[0]}///"
try:
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("e")).info.run_id
    client.log_metric(run, "x", 1.0)
    said = "recorded" if client.get_run(run).data.metrics == {"x": 1.0} else "lost"
except Exception as error:
    said = type(error).__name__
print(shown, said, sep="\t")
P
try() { # try WORDS [URI]: what becomes of a run
  local shown said words=$1
  shift
  IFS=$'\t' read -r shown said < <(python store.py "$@" 2>err)
  echo "$shown$words: $said"
}
{
  try ""
  try "" ./mlruns
  MLFLOW_ALLOW_FILE_STORE=true try " with MLFLOW_ALLOW_FILE_STORE=true" ./mlruns
} >seen
packages sqlalchemy==2.1.9 alembic==1.20.1
try ", with sqlalchemy and alembic" >>seen
cat seen
diff seen - >/dev/null <<'S'
default, sqlite:///: UnsupportedModelRegistryStoreURIException
./mlruns: MlflowException
./mlruns with MLFLOW_ALLOW_FILE_STORE=true: recorded
default, sqlite:///, with sqlalchemy and alembic: recorded
S
verdict $?

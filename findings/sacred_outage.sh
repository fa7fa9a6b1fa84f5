#!/bin/bash
# sacred loses metrics for good when its MongoDB is away for a few seconds, and reports a complete run.
#
# Versions:  sacred 0.8.7, pymongo 4.20.0, secantusdb 0.7.0b3 (a server that speaks MongoDB's protocol), setuptools 80.9.0
# Expected:  points that could not be written are written when the server is back; or the run says that some are missing.
# Behaviour: at the first write that fails the observer is switched off for the rest of the run; the run goes on,
#            ends COMPLETED in its own process with exit code 0, and writes what it has to the database at the end:
#            the status there is COMPLETED, too, or RUNNING for ever if the server stays away; the points are lost.
# Seen (60 points, the server is away for a few seconds in the middle):
#   process: COMPLETED, exit code 0; database: COMPLETED, 21 of 60 points
. "$(dirname "$0")/_common.sh"

packages sacred==0.8.7 pymongo==4.20.0 setuptools==80.9.0 numpy==1.26.4 secantusdb==0.7.0b3

server=
# shellcheck disable=SC2329  # called at the end
at_end() { [ -z "$server" ] || kill -9 "$server" 2>/dev/null; }
port=$(python -c 'import random; print(random.SystemRandom().randrange(20000, 32000))')
start_server() {
  secantusd-py --host 127.0.0.1 --port "$port" --storage-path "$WORK/data" --standalone --sync-on-commit >>server.log 2>&1 &
  server=$!
  python -c "import pymongo; pymongo.MongoClient('127.0.0.1', $port, serverSelectionTimeoutMS=60000).admin.command('ping')" ||
    cannot "the server does not come up"
}
cat >points.py <<'P'
import os, sys, time
from sacred import Experiment
from sacred.observers import MongoObserver

ex = Experiment("points", save_git_info=False)
ex.observers.append(MongoObserver(url=f"mongodb://127.0.0.1:{sys.argv[1]}/?serverSelectionTimeoutMS=500", db_name="d"))

@ex.main
def main(_run):
    for i in range(60):
        _run.log_scalar("x", float(i), i)
        if i == 20:
            _run._emit_heartbeat()  # what sacred does by itself every ten seconds
            wait_for("away")
        if i == 30:
            _run._emit_heartbeat()
            wait_for("back")

def wait_for(sign):
    open(f"wants-{sign}", "w").close()
    while not os.path.exists(sign):
        time.sleep(0.05)

print("process:", ex.run(options={"--capture": "no"}).status)
P
wanted() { for _ in $(seq 1200); do [ -e "wants-$1" ] && return; sleep 0.05; done; cannot "the run does not get there"; }
start_server
timeout 120 python points.py "$port" >out 2>err &
run=$!
wanted away
{ kill -9 "$server" && wait "$server"; } 2>/dev/null
touch away
wanted back
start_server; touch back
wait $run
code=$?
process=$(grep process: out)
database=$(python -c "
import pymongo
db = pymongo.MongoClient('127.0.0.1', $port).d
print(db.runs.find_one()['status'] + ',', sum(len(m['values']) for m in db.metrics.find()), 'of 60 points')")
echo "$process, exit code $code; database: $database" | tee seen
n=$(grep -o '[0-9]* of 60' seen | cut -d' ' -f1)
grep -q "process: COMPLETED, exit code 0" seen && [ "$n" -lt 40 ]
verdict $?

#!/bin/bash
# SecantusDB looks through arrays in find, but neither in distinct nor in aggregations: front-ends see no metrics.
#
# Versions:  secantusdb 0.7.0b3 (a server that speaks MongoDB's protocol, and says it is 8.2.11), pymongo 4.20.0
# Expected:  info.metrics is a list of {name, id} in each run of sacred's; "info.metrics.name" means the names, everywhere,
#            as MongoDB's manual has it for array fields.
# Behaviour: find, projections and $match do that. distinct gives none; in $project, $group and $lookup the field is missing,
#            without an error. $map and $unwind work.
# Seen:
#   find: 1 run; distinct: []; $project: {'_id': 1}; $group: by None; $lookup: 0 of 2; $unwind, then $project: 2 of 2
. "$(dirname "$0")/_common.sh"

packages secantusdb==0.7.0b3 pymongo==4.20.0

cat >paths.py <<'P'
import pymongo
from secantus import SecantusDBServer

with SecantusDBServer(storage_path="data") as server:
    db = pymongo.MongoClient(server.uri).sacred
    names = [{"name": "pop_mean", "id": "a"}, {"name": "pop_best", "id": "b"}]
    db.runs.insert_one({"_id": 1, "info": {"metrics": names}})
    db.metrics.insert_many([{"_id": "a"}, {"_id": "b"}])
    found = db.runs.count_documents({"info.metrics.name": "pop_best"})
    distinct = db.runs.distinct("info.metrics.name")
    project = db.runs.aggregate([{"$project": {"names": "$info.metrics.name"}}]).next()
    group = db.runs.aggregate([{"$group": {"_id": "$info.metrics.name"}}]).next()["_id"]
    lookup = db.runs.aggregate([{"$lookup": {"from": "metrics", "localField": "info.metrics.id", "foreignField": "_id",
                                             "as": "found"}}]).next()["found"]
    unwound = list(db.runs.aggregate([{"$unwind": "$info.metrics"}, {"$project": {"name": "$info.metrics.name"}}]))
print(f"find: {found} run; distinct: {distinct}; $project: {project}; $group: by {group}; $lookup: {len(lookup)} of 2;",
      f"$unwind, then $project: {len(unwound)} of 2")
assert found == 1 and len(unwound) == 2
assert distinct == [] and project == {"_id": 1} and group is None and lookup == []
P
python paths.py 2>err || { tail -n 3 err; false; }
verdict $?

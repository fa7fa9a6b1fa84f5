#!/bin/bash
# sacred's `.json` settings are more than JSON: some keys are instructions to rebuild Python objects.
#
# Versions:  sacred 0.8.7, jsonpickle 4.1.1, setuptools 80.9.0
# Expected:  `with settings.json` reads the file as json.load does.
# Behaviour: it is read by jsonpickle, for which keys that begin with "py/" are tags: the file decides which objects
#            are made. A file of settings from somebody else has to be trusted like a program. Shown with a harmless tag.
# Seen:
#   json.load: {'sizes': {'py/tuple': [1, 2]}}; sacred: {'sizes': (1, 2)}
. "$(dirname "$0")/_common.sh"

packages sacred==0.8.7 jsonpickle==4.1.1 setuptools==80.9.0 numpy==1.26.4

cat >settings.py <<'P'
import json
from sacred.config.config_files import load_config_file

with open("settings.json", "w") as file:
    file.write('{"sizes": {"py/tuple": [1, 2]}}')
with open("settings.json") as file:
    plain = json.load(file)
found = load_config_file("settings.json")
print(f"json.load: {plain}; sacred: {found}")
assert plain != found and type(found["sizes"]) is tuple
P
python settings.py 2>err || { tail -n 1 err; false; }
verdict $?

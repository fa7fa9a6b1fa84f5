#!/bin/bash
# pandas.read_json changes the last digits of most floats.
#
# Versions:  pandas 3.0.0, numpy 2.4.6; 10,000 normally distributed numbers written by Python's json
# Expected:  what json.dumps wrote, which names each float64 exactly, is read as it was.
# Behaviour: pandas' own parser is not exact unless precise_float=True; no warning.
# Seen:
#   read_json(lines=True): 8682 of 10000 differ, by up to 6e-12 of the value; with precise_float=True: 0
. "$(dirname "$0")/_common.sh"

packages pandas==3.0.0 numpy==2.4.6

cat >lines.py <<'P'
import io, json, numpy as np, pandas as pd

numbers = np.random.default_rng(0).normal(size=10000).tolist()
lines = "\n".join(json.dumps({"x": x}) for x in numbers)

def read(**options):
    found = pd.read_json(io.StringIO(lines), lines=True, **options)["x"].tolist()
    return sum(a != b for a, b in zip(numbers, found)), max(abs(a - b) / abs(a) for a, b in zip(numbers, found))

(plain, most), (precise, _) = read(), read(precise_float=True)
print(f"read_json(lines=True): {plain} of 10000 differ, by up to {most:.0e} of the value; with precise_float=True: {precise}")
assert plain > 1000 and precise == 0
P
python lines.py
verdict $?

#!/bin/bash
# numpy's .npz: a damaged header is not told by the checksum of the archive, but by whatever it does to the parser.
#
# Versions:  numpy 2.4.6
# Expected:  a .npz is a zip archive with a CRC-32 of each member, so np.load tells each damaged byte by it.
# Behaviour: the checksum is compared when the last byte of a member has been read. The array's header comes first, and
#            is believed: a damaged one ends in an error of the parser (most often ValueError) before any checksum is
#            looked at, and how much is read at all follows from the header. zipfile.testzip reads all, and names the
#            member in either case. Not noticed by np.load, therefore, is what leaves a header valid and asks for less.
# Seen:
#   damaged data: BadZipFile; damaged header: ValueError; zipfile.testzip: a.npy a.npy
. "$(dirname "$0")/_common.sh"

packages numpy==2.4.6

cat >npz.py <<'P'
import io, zipfile, numpy as np

intact = io.BytesIO()
np.savez(intact, a=np.arange(4000.0))
start = intact.getvalue().find(b"NUMPY")

def damaged(at):
    content = bytearray(intact.getvalue())
    content[at] ^= 255
    return io.BytesIO(content)

def said(at):
    try:
        np.load(damaged(at))["a"]
        return "nothing"
    except Exception as error:
        return type(error).__name__

data, header = start + 1000, start + 12
named = [zipfile.ZipFile(damaged(at)).testzip() for at in (data, header)]
print(f"damaged data: {said(data)}; damaged header: {said(header)}; zipfile.testzip:", *named)
assert said(data) == "BadZipFile" and said(header) not in ("BadZipFile", "nothing") and named == ["a.npy"] * 2
P
python npz.py
verdict $?

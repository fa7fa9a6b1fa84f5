"""Files that would do harm: each ends in one clear error, nothing of it is run, time and memory are bounded."""

from __future__ import annotations

import copyreg
import io
import math
import os
import pickle
import random
import resource
import struct
import types

import pytest
from places import DATA

from mpi_pgpe.agents import Agent, AgentFileError, pgpelib, read_agent
from mpi_pgpe.agents.file import agent_from_bytes, compute_checksum
from mpi_pgpe.agents.plain_data import copy_plain_data
from mpi_pgpe.agents.safe_pickle import BadPickle, load

pytestmark = pytest.mark.serial

PGPELIB = (DATA / "pgpelib_lunarlander.pickle").read_bytes()
OURS = (DATA / "agent_python3.11_numpy1.26.4.pickle").read_bytes()
MEGABYTE = 2**20


def proto(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


SYSTEM = text("os") + text("system") + b"\x93"
POLICY = text("pgpelib.policies") + text("LinearPolicy") + b"\x93"


def calls(command: str) -> dict[str, bytes]:
    """Files that would run a command of the shell, each in another way."""
    argument = text(command) + b"\x85"
    line = command.encode()
    return {
        "reduce": proto(SYSTEM, argument, b"R"),
        "newobj": proto(SYSTEM, argument, b"\x81"),
        "newobj_ex": proto(SYSTEM, argument, b"}\x92"),
        "inst": b"(S'%s'\nios\nsystem\n." % line,
        "obj": b"(cos\nsystem\nS'%s'\no." % line,
        "global": b"cos\nsystem\n(S'%s'\ntR." % line,
        "eval": proto(
            text("builtins") + text("eval") + b"\x93", text(f"__import__('os').system('{command}')") + b"\x85R"
        ),
        "dotted": proto(text("pgpelib.policies") + text("LinearPolicy.os.system") + b"\x93", argument, b"R"),
        "in a pgpelib agent": proto(POLICY, b")\x81}" + text("_policy") + SYSTEM + argument + b"Rsb"),
        "after a pgpelib name": proto(POLICY, b")R", SYSTEM, argument, b"R"),
        "build": proto(POLICY, b")\x81", SYSTEM, b"b"),
        "build of a class": proto(POLICY, b"}" + text("__reduce__") + SYSTEM + b"sb"),
        "call of what was made": proto(POLICY, b")\x81", argument, b"R"),
        "array of objects": PGPELIB.replace(b"\x8c\x02f4", b"\x8c\x02O8"),
    }


@pytest.mark.parametrize("how", calls(""))
def test_a_call_is_refused_and_not_made(how, tmp_path):
    touched = tmp_path / "touched"
    with pytest.raises(AgentFileError) as caught:
        agent_from_bytes(calls(f"touch {touched}")[how])
    assert str(caught.value).isprintable()
    assert not touched.exists()


@pytest.mark.parametrize("how", ["reduce", "inst", "obj", "global", "eval"])
def test_pickle_itself_would_make_the_call(how, tmp_path):
    """So the test above is of something."""
    touched = tmp_path / "touched"
    pickle.loads(calls(f"touch {touched}")[how])
    assert touched.exists()


@pytest.mark.parametrize("how", ["reduce", "global", "in a pgpelib agent", "after a pgpelib name"])
def test_the_refusal_names_the_function(how):
    with pytest.raises(AgentFileError, match=r"asks for os\.system"):
        agent_from_bytes(calls("true")[how])


def test_the_extension_registry_is_refused():
    """An extension that is in use already would get past find_class."""
    copyreg.add_extension("os", "system", 241)
    try:
        content = proto(b"\x82\xf1", text("true") + b"\x85R")
        assert pickle.loads(content) == 0
        with pytest.raises(AgentFileError, match="opcode EXT1"):
            agent_from_bytes(content)
    finally:
        copyreg.remove_extension("os", "system", 241)


def test_a_pickle_inside_a_torch_storage_is_not_run(tmp_path):
    """The bytes that torch.load would unpickle in full."""
    start = PGPELIB.index(b"\x80\x02\x8a\n")
    stop = PGPELIB.index(b"\x80\x02}", start)
    evil = calls(f"touch {tmp_path / 'touched'}")["reduce"]
    for content in (
        PGPELIB[:start] + evil + PGPELIB[start + len(evil) :],
        PGPELIB[:stop] + evil + PGPELIB[stop + len(evil) :],
    ):
        with pytest.raises(AgentFileError):
            agent_from_bytes(content)
    assert not (tmp_path / "touched").exists()
    storage = PGPELIB[start:]
    assert pickle.loads(storage) == 0x1950A86A20F9469CFC6C  # what was replaced is such a pickle


def test_the_size_of_a_tensor_is_looked_at_before_it_is_computed_with(monkeypatch):
    """A product of many large integers takes minutes."""

    def product(numbers):
        assert len(numbers) <= 8, "this would take long"
        return math.prod(numbers)

    monkeypatch.setattr(pgpelib, "math", types.SimpleNamespace(prod=product))
    many = b"(" + b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" * 100_000 + b"t"
    assert PGPELIB.count(b"K\x02K\x08\x86") == 1  # the size of the layer's matrix
    with pytest.raises(AgentFileError, match="expected a tensor of 2 dimensions, got 100000"):
        agent_from_bytes(PGPELIB.replace(b"K\x02K\x08\x86", many))


BOMBS = {
    "memo": proto(b"Nr\xff\xff\xff\x7f"),
    "memo, in a pgpelib agent": proto(POLICY, b"r\xff\xff\xff\x7f"),
    "bytes of 2^62": proto(b"\x8e" + struct.pack("<Q", 2**62)),
    "bytearray of 2^40": proto(b"\x96" + struct.pack("<Q", 2**40)),
    "text of 2^31": proto(b"X" + struct.pack("<I", 2**31)),
    "frame of 2^62": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
    "integer of a megabyte": proto(b"\x8b" + struct.pack("<I", MEGABYTE) + b"\x7f" * MEGABYTE),
    "decimal of a megabyte": b"I" + b"9" * MEGABYTE + b"\n.",
    "two million opcodes": proto(b"]" + b"N0" * MEGABYTE),
    "three million marks": proto(b"(" * 3 * MEGABYTE),
    "deep tuple as a key": proto(b"}N" + b"\x85" * 300_000 + b"Ns"),
    "name of a megabyte": proto(b"X" + struct.pack("<I", MEGABYTE) + b"a" * MEGABYTE + b"\x94h\x00\x93"),
    "list of itself": proto(b"}" + text("metadata") + b"]\x94h\x00as"),
}


def laughs() -> list:
    """A list of two lists of two lists ..., each a single one: 2^45 items when written out, compared or hashed."""
    data: list = []
    for _ in range(45):
        data = [data, data]
    return data


def changed(**entries) -> bytes:
    """An agent with other entries, and the checksum that belongs to them."""
    content = pickle.dumps(pickle.loads(OURS) | entries, 4)
    return content + compute_checksum(content)


def in_storage(old: bytes, new: bytes) -> bytes:
    """The pgpelib agent with something else in the pickles inside its first storage."""
    start = PGPELIB.index(b"\x80\x02\x8a\n")
    length = int.from_bytes(PGPELIB[start - 4 : start], "little")
    storage = PGPELIB[start : start + length]
    assert old in storage
    storage = storage.replace(old, new)
    return PGPELIB[: start - 4] + struct.pack("<I", len(storage)) + storage + PGPELIB[start + length :]


TUPLES = b")" + 45 * b"q\x80h\x80\x86"  # such a tuple, as opcodes
BOMBS["laughs to be hashed"] = in_storage(b"ctorch\nFloatStorage\n", TUPLES)
BOMBS["laughs to be compared"] = in_storage(b"X\x0e\x00\x00\x0094774020177072", TUPLES)
MUCH = b"X\x01\0\0\0aX" + struct.pack("<I", 2**17) + b"a" * 2**17  # an entry of a dictionary
BOMBS["header of a storage, read for each layer"] = in_storage(b"}q\x00(", b"}q\x00(" + MUCH)
BOMBS["one bias for all"] = PGPELIB.replace(b"K\x00K\x02\x85", b"K\x00K\x01\x85", 1)
HUGE = {"dtype": "<f8", "shape": [3], "bytes": struct.pack("<3d", 1e300, 0, 0)}
for name, change in {
    "large integers": {"metadata": {"x": [2**4000] * 10_000}},
    "many layers": {"hidden": [1] * 101},
    "moments beyond float32": {"moments": {"count": 1, "sum": HUGE, "sumsq": HUGE}},
    "laughs": {"metadata": {"laugh": laughs()}},
    "laughs for a version": {"version": laughs()},
    "laughs for a layer": {"hidden": laughs()},
    "laughs for an activation": {"activation": laughs()},
    "laughs for a shape": {"parameters": {"dtype": laughs(), "shape": laughs(), "bytes": b""}},
    "laughs for a count": {"moments": {"count": laughs()}},
    "huge layer": {"hidden": [2**27] * 3},
    "negative layers": {"hidden": [-4, 2]},
    "huge array": {"parameters": {"dtype": "<f4", "shape": [2**60], "bytes": b""}},
}.items():
    BOMBS[name] = changed(**change)
BOMBS["huge tensor"] = PGPELIB.replace(b"K\x02K\x08\x86", b"J\xff\xff\xff\x7f\x8a\x01\x7f\x86", 1)


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_in_little_memory(content):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AgentFileError) as caught:
        agent_from_bytes(content)
    assert len(str(caught.value)) < 1000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 * 1024  # kilobytes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([None] * 600_000, 4), "at most 500000 opcodes"),
        (BOMBS["deep tuple as a key"], "expected text or a small integer as a key, got tuple"),
        (proto(b"})" + b"\x94h\x00\x86" + b"Ns"), "expected text or a small integer as a key, got tuple"),
        (proto(b"}" + b"\x8a\x08" + b"\x7f" * 8 + b"Ns"), "expected text or a small integer as a key, got int"),
        (BOMBS["integer of a megabyte"], "integers of at most 4096 bits"),
        (BOMBS["laughs"], "at most 500000 values"),
        (BOMBS["large integers"], "at most 500000 values"),
        (BOMBS["many layers"], "at most 100 hidden layers, got 101"),
        (BOMBS["moments beyond float32"], "overflow encountered"),
        (BOMBS["name of a megabyte"], "no short text"),
        (BOMBS["header of a storage, read for each layer"], "damaged, truncated"),
        (BOMBS["one bias for all"], "layers that fit together"),
        (PGPELIB.replace(b"K\x08K\x01\x86", b"K\x09K\x01\x86", 1), "expected a tensor within its storage"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_bound_is_kept(content, message):
    with pytest.raises(AgentFileError, match=message):
        agent_from_bytes(content)


def test_shared_values_are_counted_each_time():
    with pytest.raises(BadPickle, match="at most 500000 values"):
        copy_plain_data([["x" * 20_000] * 100] * 10)
    deep: list = []
    for _ in range(60):
        deep = [deep]
    with pytest.raises(BadPickle, match="deep"):
        copy_plain_data(deep)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(AgentFileError, match="not a file"):
            read_agent(path)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**28 + 1)  # takes no space on the disk
    with pytest.raises(AgentFileError, match="larger than 268435456 bytes"):
        read_agent(large)


def test_persistent_ids_are_refused():
    class Outside(pickle.Pickler):
        def persistent_id(self, obj):
            return "elsewhere" if obj == "x" else None

    stream = io.BytesIO()
    Outside(stream, 4).dump({"a": "x"})
    with pytest.raises(BadPickle, match="outside of it"):
        load(stream.getvalue())


def damaged(rng: random.Random) -> tuple[bytes, bool]:
    """One of ten thousand: an agent with bytes changed, cut out, doubled or put in; or opcodes at random.

    And whether a checksum is there to tell: some of the files are given the one that belongs to the damage.
    """
    original, sealed = rng.choice([(PGPELIB, True), (OURS, False), (OURS, True)])
    content = bytearray(original)
    if rng.random() < 0.2:
        opcodes = b"(.0123FNQRabcdeghijlopqrstux})]\x80\x81\x82\x85\x86\x87\x88\x8a\x8c\x8e\x8f\x90\x93\x94\x95\x96\x98"
        start = b"\x80\x04" + rng.choice([b"", POLICY, SYSTEM, POLICY + b")\x81"])
        return start + bytes(rng.choices(opcodes, k=rng.randrange(1, 200))) + b".", False
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at, length = rng.randrange(len(content)), rng.randrange(1, 40)
        kind = rng.randrange(5)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            content[at : at + length] = b"."
        elif kind == 2:
            content[at:at] = content[max(0, at - length) : at]
        elif kind == 3:
            content[at:at] = rng.choice([SYSTEM + b")R", b"r\xff\xff\xff\x7f", b"\x82\x01", b"h\x05", b"0", b"Q", b"b"])
        elif kind == 4:
            content = content[:at] or content
    if sealed and original is OURS:
        content = content[:-32] + compute_checksum(content[:-32])
    return bytes(content), not sealed and bytes(content) != original


def test_ten_thousand_damaged_or_hostile_files(capfd):
    rng = random.Random(1)
    before, messages = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(10_000):
        content, noticeable = damaged(rng)
        try:
            assert isinstance(agent_from_bytes(content), Agent)
            assert not noticeable
        except AgentFileError as error:
            messages.append(str(error))
    assert len(messages) > 9000
    assert all(message.isprintable() and len(message) < 1000 for message in messages)
    assert capfd.readouterr() == ("", "")  # no command was run that prints
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # kilobytes

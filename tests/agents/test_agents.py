"""Saved agents: written whole, read back the same, and nothing that a file brings is ever run."""

from __future__ import annotations

import copy
import errno
import io
import os
import pickle
import random

import numpy as np
import pytest
import torch
from agents_to_save import BOX, make_agent, repickled

from mpi_pgpe.agents import Agent, AgentFileError, read_agent, write_agent
from mpi_pgpe.agents.file import to_bytes
from mpi_pgpe.agents.solution import Solution, read_solution, write_saved
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace
from mpi_pgpe.runs.saved_agents import save_agents
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.pickle"


@pytest.mark.parametrize("hidden", [(), (3,), (5, 2)])
@pytest.mark.parametrize("space", [BOX, ActionSpace(3, start=-1)], ids=["continuous", "discrete"])
@pytest.mark.parametrize("normalized", [True, False], ids=["normalized", "plain"])
def test_an_agent_is_read_as_it_was_written(path, hidden, space, normalized):
    agent = make_agent(hidden, space, normalized)
    write_agent(path, agent)
    read = read_agent(path)
    np.testing.assert_array_equal(read.parameters, agent.parameters)
    assert read.parameters.dtype == np.float32
    assert read.shape == agent.shape
    assert read.metadata == agent.metadata
    assert (read.action_space.size, read.action_space.start) == (space.size, space.start)
    assert read.action_space.discrete == space.discrete
    if not space.discrete:
        np.testing.assert_array_equal(read.action_space.low, space.low)
        np.testing.assert_array_equal(read.action_space.high, space.high)
    assert (read.moments is None) is not normalized
    if normalized:
        assert read.moments.count == agent.moments.count
        np.testing.assert_array_equal(read.moments.sum, agent.moments.sum)
        np.testing.assert_array_equal(read.moments.sumsq, agent.moments.sumsq)


def test_a_disk_that_refuses_an_agent_leaves_the_old_one_and_is_told(tmp_path, monkeypatch, capsys):
    settings = Settings.check({"env_name": "Some-v0", "seed": 7})

    def save_both(agent):
        return save_agents(Report(4, {}, agent=agent, best=agent), settings, tmp_path, lambda path, name: None)

    assert save_both(make_agent()) == tmp_path / "Some-v0_seed7_iter4.pickle"
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(before) == {"best.pickle", "Some-v0_seed7_iter4.pickle"}

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    save_both(make_agent(normalized=False))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    told = capsys.readouterr().err
    assert told.count("No space left on device; the run goes on") == 2
    assert f"cannot save {tmp_path / 'best.pickle'}: " in told


@pytest.mark.parametrize(
    "odd", [np.float64(1.0), np.zeros(2), torch.zeros(2), object()], ids=["scalar", "array", "tensor", "object"]
)
def test_metadata_that_could_not_be_read_again_is_not_written(path, odd):
    write_agent(path, make_agent())
    before = path.read_bytes()
    agent = make_agent()
    agent.metadata["returns"]["odd"] = odd
    with pytest.raises(ValueError, match="plain data"):
        write_agent(path, agent)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


class RunsACommand:
    def __init__(self, touched) -> None:
        self.touched = touched

    def __reduce__(self):
        return os.system, (f"touch {self.touched}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_that_would_run_a_command_is_refused_and_runs_nothing(path, tmp_path, protocol):
    touched = tmp_path / "touched"
    data = {"format": "mpi_pgpe agent", "version": 1, "metadata": RunsACommand(touched)}
    path.write_bytes(pickle.dumps(data, protocol))
    with pytest.raises(AgentFileError, match=rf"refused: the file asks for {os.system.__module__}\.system"):
        read_agent(path)
    assert not touched.exists()
    pickle.loads(path.read_bytes())
    assert touched.exists()  # it would have


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (np.zeros(3), "numpy.core.multiarray._reconstruct"),
        (np.float64(1), "numpy.core.multiarray.scalar"),
        (torch.zeros(2), "torch._utils._rebuild_tensor_v2"),
        (PolicyShape(1, 1), "mpi_pgpe.policies.network.PolicyShape"),
        (getattr, "builtins.getattr"),
        (range(3), "builtins.range"),
        (complex(1), "builtins.complex"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_class_is_refused_by_name(path, content, name):
    path.write_bytes(pickle.dumps({"metadata": [content]}, protocol=4))
    with pytest.raises(AgentFileError) as caught:
        read_agent(path)
    message = str(caught.value)
    assert f"refused: the file asks for {name}" in message.replace("numpy._core", "numpy.core")
    assert str(path) in message


def test_a_file_that_refers_to_objects_outside_is_refused(path):
    class Outside(pickle.Pickler):
        def persistent_id(self, obj):
            return "elsewhere" if obj == "x" else None

    stream = io.BytesIO()
    Outside(stream).dump({"a": "x"})
    path.write_bytes(stream.getvalue())
    with pytest.raises(AgentFileError, match="refers to objects outside"):
        read_agent(path)


def test_every_truncation_is_refused(path):
    write_agent(path, make_agent(hidden=()))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(AgentFileError, match=r"agent\.pickle: "):
            read_agent(path)


def test_damage_at_any_place_is_refused(path):
    """In a number or a text, too, where the checksum alone can tell."""
    write_agent(path, make_agent(hidden=()))
    whole = path.read_bytes()
    damage = random.Random(0)
    for position in range(len(whole)):
        for change in (1 << damage.randrange(8), damage.randrange(1, 256)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ change]) + whole[position + 1 :])
            with pytest.raises(AgentFileError):
                read_agent(path)
    for more in (b"\0", b".", whole):
        path.write_bytes(whole + more)
        with pytest.raises(AgentFileError, match="its checksum is not that of its content"):
            read_agent(path)


def test_to_pickle_it_is_plain_data(path):
    """The checksum is after the pickle's end."""
    write_agent(path, make_agent())
    assert pickle.loads(path.read_bytes())["metadata"] == make_agent().metadata


@pytest.mark.parametrize("key", [None, "count", "dtype", "shape", "bytes"])
@pytest.mark.parametrize(
    "odd",
    [None, -1, 1.5, float("inf"), float("nan"), 10**30, "x", b"x", [], [[]], [-1, -1], {}, {"dtype": "O"}],
    ids=repr,
)
def test_odd_contents_are_refused_or_harmless(path, odd, key):
    write_agent(path, make_agent())
    whole = pickle.loads(path.read_bytes())
    names = [name for name in whole if key is None or (isinstance(whole[name], dict) and key in whole[name])]
    for name in names:
        data = copy.deepcopy(whole)
        if key is None:
            data[name] = odd
        else:
            data[name][key] = odd
        path.write_bytes(repickled(data))
        try:
            assert isinstance(read_agent(path), Agent)
        except AgentFileError:
            continue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "another"}, "expected a saved agent of mpi_pgpe, got a pickle of something else"),
        ({"version": 5}, "expected format version 1 to 4, got 5; a newer mpi_pgpe may read it"),
        ({"version": True}, "expected format version 1 to 4, got True"),
        ({"action_start": "0"}, "expected a whole number from -2147483648 to 2147483648, got '0'"),
        ({"action_start": 2**4000}, "expected a whole number"),
        ({"moments": {"count": 2**4000}}, "expected a whole number from 0 to 9223372036854775808"),
        ({"parameters": {"dtype": "<f4", "shape": [23], "bytes": np.float32([np.nan] * 23).tobytes()}}, "finite"),
        ({"action_low": {"dtype": "<f4", "shape": [2], "bytes": np.float32([1, 0]).tobytes()}}, "lower bounds"),
        ({"action_low": {"dtype": "<f4", "shape": [2], "bytes": np.float32([0, np.nan]).tobytes()}}, "lower bounds"),
        ({"action_size": 3}, "parameters: expected shape"),
        ({"observation_size": 5}, "parameters: expected shape"),
        ({"metadata": []}, "metadata: expected a dictionary"),
        ({"action_high": None}, "action_low and action_high: expected both or neither"),
    ],
    ids=str,
)
def test_contents_that_do_not_fit_are_refused(path, change, message):
    write_agent(path, make_agent())
    path.write_bytes(repickled(pickle.loads(path.read_bytes()) | change))
    with pytest.raises(AgentFileError, match=message):
        read_agent(path)


def test_a_damaged_memo_takes_no_memory(path):
    """Unchecked, this file of 9 bytes takes tens of gigabytes to read."""
    path.write_bytes(b"\x80\x04Nr\xff\xff\xff\x7f.")
    with pytest.raises(AgentFileError, match="damaged"):
        read_agent(path)


def test_the_solution_of_a_function_is_no_agent_and_the_other_way_round(path):
    write_saved(path, Solution(np.zeros(2)))
    with pytest.raises(
        AgentFileError, match=r"got a solution of a function; mpi_pgpe.agents.read_solution\(path\) reads it"
    ):
        read_agent(path)
    write_agent(path, make_agent())
    with pytest.raises(AgentFileError, match="expected a saved solution, but it is a pickle of something else"):
        read_solution(path)


@pytest.mark.parametrize("content", [{}, [1, 2], "text", None, {"format": []}], ids=repr)
def test_another_pickle_is_refused(path, content):
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(AgentFileError, match="expected a saved agent of mpi_pgpe, got a pickle of something else"):
        read_agent(path)


def test_what_is_no_file_is_refused(path):
    with pytest.raises(AgentFileError, match=r"agent\.pickle: cannot be read: No such file"):
        read_agent(path)
    with pytest.raises(AgentFileError, match="cannot be read: Is a directory"):
        read_agent(path.parent)


def test_a_reference_and_a_floor_of_the_statistics_are_kept(path):
    plain = make_agent((3,), BOX, True)
    assert plain.moments is not None
    moments = Moments(4, plain.moments.count, plain.moments.sum, plain.moments.sumsq)
    moments.reference, moments.stdev_floor = np.array([0.0, 1e6, -3e5, 0.0]), 1e-3
    write_agent(path, Agent(plain.parameters, plain.shape, plain.action_space, moments, {}))
    read = read_agent(path).moments
    assert read is not None
    assert read.reference.tobytes() == moments.reference.tobytes()
    assert read.stdev_floor == 1e-3
    for one, other in zip(read.normalization(), moments.normalization(), strict=True):
        assert one.tobytes() == other.tobytes()
    assert pickle.loads(path.read_bytes())["version"] == 3  # which version 0.1.0 refuses, as it would take no notice
    write_agent(path, plain)
    assert pickle.loads(path.read_bytes())["version"] == 2


@pytest.mark.parametrize(
    ("shape", "version"),
    [
        (PolicyShape(4, 2), 2),
        (PolicyShape(4, 2, (3,)), 2),
        (PolicyShape(4, 2, (5, 3), "relu", "tanh"), 2),
        (PolicyShape(4, 2, (5, 3), "tanh", bias=False), 4),
        (PolicyShape(4, 2, (5,), "elu"), 4),
        (PolicyShape(4, 2, (), output_activation="sin"), 4),
    ],
    ids=str,
)
def test_each_network_is_kept_in_the_earliest_version_that_has_it(path, shape, version):
    parameters = np.arange(shape.num_parameters, dtype=np.float32)
    write_agent(path, Agent(parameters, shape, BOX, None, {}))
    content = pickle.loads(path.read_bytes())
    assert (content["version"], "bias" in content) == (version, version == 4)
    agent = read_agent(path)
    assert agent.shape == shape
    np.testing.assert_array_equal(agent.parameters, parameters)
    content["bias"] = 1
    path.write_bytes(repickled(content))
    with pytest.raises(AgentFileError, match="bias: expected True or False, got 1"):
        read_agent(path)


@pytest.mark.parametrize("floor", [0.0, -1.0, np.inf, np.nan, 1, "0.1"])
def test_a_floor_that_cannot_be_is_refused(path, floor):
    moments = Moments(4, 3, np.ones(4), np.ones(4))
    plain = make_agent((3,), BOX, True)
    content = pickle.loads(to_bytes(Agent(plain.parameters, plain.shape, plain.action_space, moments, {})))
    content["moments"]["stdev_floor"] = floor
    path.write_bytes(repickled(content))
    with pytest.raises(AgentFileError, match="stdev_floor: expected a positive number"):
        read_agent(path)

"""What -m and MPI_PGPE_MONGO may say, and that their secrets are shown nowhere."""

from __future__ import annotations

import pytest

from mpi_pgpe.runs.mongo.address import BadTarget, find_target, hide_secrets, parse_target, strip_secrets

pytestmark = pytest.mark.serial


@pytest.mark.parametrize(
    ("value", "url", "database"),
    [
        ("10.0.0.5:27018:experiments", "mongodb://10.0.0.5:27018", "experiments"),
        ("db.example.org:27018", "mongodb://db.example.org:27018", "sacred"),
        ("experiments", "mongodb://localhost:27017", "experiments"),
        ("[::1]:27017:experiments", "mongodb://[::1]:27017", "experiments"),
        ("mongodb://host", "mongodb://host", "sacred"),
        ("mongodb://host/exp", "mongodb://host/exp", "exp"),
        ("mongodb://u:p%40w@a:1,b:2/exp?replicaSet=r", "mongodb://u:p%40w@a:1,b:2/exp?replicaSet=r", "exp"),
        ("mongodb+srv://u:pw@cluster.example.org/?w=1", "mongodb+srv://u:pw@cluster.example.org/?w=1", "sacred"),
    ],
)
def test_forms(value, url, database):
    found = parse_target(value)
    assert (found.url, found.database) == (url, database)


def test_what_is_shown_and_what_a_command_needs():
    assert parse_target("10.0.0.5:27018:exp").shown == "10.0.0.5:27018/exp"
    assert parse_target("10.0.0.5:27018:exp").option == " -m 10.0.0.5:27018:exp"
    secret = parse_target("mongodb://ada:lovelace@h:1/exp?authSource=hidden")
    assert secret.shown == "h:1/exp"
    assert secret.option == " -m 'mongodb://USER:PASSWORD@h:1/exp?OPTIONS'"
    assert "ada" not in repr(secret)
    assert "lovelace" not in repr(secret)
    assert secret.scrub("ada:lovelace and hidden") == "*** and ***"
    assert parse_target("mongodb://ada:love%2Flace@h").scrub("love/lace, love%2Flace") == "***, ***"


@pytest.mark.parametrize(
    "value",
    [
        "", "a:b:c:d", "host:port:db", "host:99999:db", "a b", "db.collection", "db!3", "mongodb://", "mongodb://u:secret",
        "mongodb://u:sec@ret/x@h:1/exp/more", "u:secret@host:27017:db", "mongodb://u:secret@host:port/db",
    ],
)  # fmt: skip
def test_other_forms_are_refused(value):
    with pytest.raises(BadTarget, match="HOST:PORT:DATABASE") as error:
        parse_target(value)
    assert "secret" not in str(error.value)


def test_the_variable_stands_in_for_the_option(monkeypatch):
    monkeypatch.delenv("MPI_PGPE_MONGO", raising=False)
    assert find_target(None) is None
    monkeypatch.setenv("MPI_PGPE_MONGO", "mongodb://u:secret@h:1/exp")
    from_variable = find_target(None)
    assert from_variable is not None
    assert (from_variable.shown, from_variable.option) == ("h:1/exp", "")
    assert find_target("other:1:db") == parse_target("other:1:db")
    monkeypatch.setenv("MPI_PGPE_MONGO", "u:secret@h")
    with pytest.raises(BadTarget, match=r"^MPI_PGPE_MONGO: expected"):
        find_target(None)


@pytest.mark.parametrize(
    "value", ["mongodb://u:secret@h:1/exp?a=secret", "mongodb://u:se@cr/secret@h/d", "u:secret@h:1"]
)
@pytest.mark.parametrize("option", [["-m", ""], ["-m"], ["-pm", ""], ["--mongo_db", ""], ["--mongo_db="], ["--mong="]])
def test_the_command_line_that_others_see_has_no_secrets(value, option):
    argv = ["train", *option[:-1], option[-1] + value, "-F", "results", "with", "seed=1", "notes=a@b"]
    shown, hidden = hide_secrets(argv)
    assert "secret" not in " ".join(shown)
    assert len(shown) == len(argv)
    assert shown[-5:] == argv[-5:]
    assert hidden[strip_secrets(value)] == value
    assert strip_secrets(value) in shown[len(option)] if len(option) > 1 else shown[1]


def test_a_command_line_without_secrets_stays_as_it_is():
    argv = ["train", "-m", "h:1:db", "-F", "me@home", "with", "notes=mongodb://h"]
    assert hide_secrets(argv)[0] == argv

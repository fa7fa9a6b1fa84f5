"""Which MongoDB a run goes to: what `-m` and MPI_PGPE_MONGO may say, and how it is shown without secrets."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from mpi_pgpe.base.errors import UserError, WrongInput

if TYPE_CHECKING:
    from pymongo import MongoClient

    Client = MongoClient[dict[str, Any]]

VARIABLE = "MPI_PGPE_MONGO"
FORMS = "HOST:PORT:DATABASE, HOST:PORT, DATABASE or mongodb://USER:PASSWORD@HOST:PORT/DATABASE"
SECONDS_TO_CONNECT = 2.5
_SECONDS_TO_ANSWER = 60.0  # for one operation, of which the largest sends 16 MB of a file

_HOST = r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)"
_SOCKET = r"(?:[\w.-]|%[0-9a-fA-F]{2})+\.sock"  # of this host, its slashes as %2F
_HOSTS = rf"{_HOST}(?::\d{{1,5}})?(?:,{_HOST}(?::\d{{1,5}})?)*"
_URL = re.compile(rf"(mongodb(?:\+srv)?)://(?:(.*)@)?({_SOCKET}|{_HOSTS})(?:/([^/?]*))?(?:\?(.*))?", re.DOTALL)
_PLAIN = re.compile(rf"({_HOST}):(\d{{1,5}})(?::([^:]+))?|([^:]+)")
_DATABASE = re.compile(r"[^\s/\\.\"$*<>:|?@!]{1,63}")
_OPTION = re.compile(r"-\w*m|--m\w*")  # abbreviated or not


class BadTarget(WrongInput):
    """What stands after -m, or in MPI_PGPE_MONGO, is no address of a MongoDB."""


class Unreachable(UserError):
    """The MongoDB does not answer, or lets nobody in; the message says why and holds no secret."""


@dataclass(frozen=True)
class Target:
    """A database of a MongoDB server.

    Attributes:
        url: for the client; the only place that holds the user's name and password.
        database: its name.
        shown: HOST:PORT/DATABASE, for people.
        option: what to add to a command line so that it goes to the same database.
    """

    url: str = field(repr=False)
    database: str
    shown: str
    option: str
    _secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrub(self, text: object) -> str:
        """`text` without the user's name, password and options."""
        result = str(text)
        for secret in self._secrets:
            result = result.replace(secret, "***")
        return result


def parse_target(value: str, source: str = "-m") -> Target:
    """The target that `value` names; `source` is where it was given.

    Raises:
        BadTarget: it is of none of the known forms.
    """
    if value.startswith(("mongodb://", "mongodb+srv://")):
        return _parse_url(value, source)
    found = _PLAIN.fullmatch(value)
    host, port, name, alone = found.groups() if found else (None,) * 4
    host, port, name = host or "localhost", port or "27017", name or alone or "sacred"
    if not found or not _DATABASE.fullmatch(name) or int(port) > 65535:
        raise BadTarget(f"{source}: expected {FORMS}, got {strip_secrets(value)!r}")
    return Target(f"mongodb://{host}:{port}", name, f"{host}:{port}/{name}", f" -m {value}" if source == "-m" else "")


def _parse_url(value: str, source: str) -> Target:
    found = _URL.fullmatch(value)
    scheme, user, hosts, name, options = found.groups() if found else (None,) * 5
    name = name or "sacred"
    if not found or not _DATABASE.fullmatch(name):
        raise BadTarget(f"{source}: expected {FORMS}, got {value.partition('://')[0]}://***")  # any part may be secret
    parts = [part for text in (user, options) if text for part in (text, *re.split("[:&=]", text))]
    # Short ones would blot out parts of ordinary words.
    secrets = {form for part in parts for form in (part, unquote_plus(part)) if len(form) > 3}
    again = f" -m '{scheme}://{'USER:PASSWORD@' if user else ''}{hosts}/{name}{'?OPTIONS' if options else ''}'"
    return Target(
        value,
        name,
        f"{hosts}/{name}",
        again if source == "-m" else "",
        tuple(sorted(secrets, key=len, reverse=True)),
    )


def strip_secrets(value: str) -> str:
    """An address, or what was meant to be one, without user, password and options."""
    scheme, mark, rest = value.rpartition("://")
    _, at, after = rest.rpartition("@")
    hosts, question, _ = (after if at else rest).partition("?")
    return scheme + mark + ("***@" if at else "") + hosts + ("?***" if question else "")


def hide_secrets(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """(argv without the secrets in its MongoDB addresses, the addresses by what stands there now).

    Whatever reads the command line after this may print it or store it.
    """
    shown, hidden = [], {}
    for previous, argument in zip(["", *argv], argv, strict=False):
        option, value = "", argument
        if attached := re.match(r"(-m|--m\w*=)(?=.*@|mongodb)", argument, re.DOTALL):
            option, value = attached[0], argument[attached.end() :]
        if option or _OPTION.fullmatch(previous) or value.startswith(("mongodb://", "mongodb+srv://")):
            hidden[strip_secrets(value)] = value
            value = strip_secrets(value)
        shown.append(option + value)
    return shown, hidden


def find_target(option: str | None) -> Target | None:
    """The target of `-m`, else of MPI_PGPE_MONGO, else None."""
    if option:
        return parse_target(option)
    variable = os.environ.get(VARIABLE)
    return parse_target(variable, VARIABLE) if variable else None


def connect(target: Target) -> Client:
    """A client whose server has just answered.

    Raises:
        Unreachable: after SECONDS_TO_CONNECT at the latest, with what was tried.
    """
    try:
        import pymongo  # noqa: F401  (takes a while, which is not the server's)
    except ImportError:
        raise Unreachable("the package pymongo is missing: pip install pymongo") from None
    outcome: Any = Unreachable(f"no answer within {SECONDS_TO_CONNECT:g} seconds")

    def attempt() -> None:
        nonlocal outcome
        try:
            outcome = _try_to_connect(target)
        except Exception as error:  # whatever it is, it may quote a secret
            outcome = error if isinstance(error, Unreachable) else Unreachable(type(error).__name__)

    # In a thread of its own, because a name server that does not answer cannot be interrupted.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_CONNECT + 1)
    if isinstance(outcome, Unreachable):
        raise outcome
    return outcome


def _try_to_connect(target: Target) -> Client:
    """A client; raises Unreachable without those of the driver's texts that may quote a secret."""
    import pymongo

    invalid = "its address is not valid; in names and passwords each of : / ? # [ ] @ % must be percent-encoded"
    try:  # because the client itself would only warn of options, by their values
        if options := target.url.partition("?")[2]:
            pymongo.uri_parser.split_options(options, validate=True, warn=False)
    except (pymongo.errors.PyMongoError, ValueError, TypeError):
        raise Unreachable("the options of its address, after the ?, are not those of a MongoDB") from None
    except OSError as error:
        raise Unreachable(f"a file that the options of its address name cannot be read ({error.strerror})") from None
    try:
        with pymongo.timeout(SECONDS_TO_CONNECT), _client(target, SECONDS_TO_CONNECT) as client:
            client.admin.command("ping")
        # A server that is there may be busy for a while; a connection's timeout would end what is under way.
        return _client(target, _SECONDS_TO_ANSWER)
    except pymongo.errors.ConfigurationError as error:
        unsafe = isinstance(error, pymongo.errors.InvalidURI) or "@" in str(error)
        raise Unreachable(invalid if unsafe else target.scrub(error)) from None
    except pymongo.errors.PyMongoError as error:
        raise Unreachable(target.scrub(describe_refusal(error))) from None
    except (ValueError, TypeError):
        raise Unreachable(invalid) from None


def _client(target: Target, seconds: float) -> Client:
    """A client that connects when it is used, and gives up connecting after so many seconds."""
    import pymongo

    return pymongo.MongoClient(
        target.url,
        appname="mpi_pgpe",
        serverSelectionTimeoutMS=int(1000 * SECONDS_TO_CONNECT),
        connectTimeoutMS=int(1000 * seconds),
        socketTimeoutMS=int(1000 * _SECONDS_TO_ANSWER),
        maxIdleTimeMS=60_000,  # before a firewall forgets the connection
    )


def describe_refusal(error: BaseException) -> str:
    """What a driver's error says, without its description of the topology."""
    text = re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0]
    if re.match("Got response id|Got opcode|Message length", text):
        return "what answers there is no MongoDB"
    return text or type(error).__name__

"""Pickles read as data: an interpreter for the few opcodes that build values, which never calls anything.

Python's own unpickler imports and calls what a file names, and can be made to allocate far more than the
file holds. Here numbers, strings and containers come out as they are; a class or function that is named
must be on a list, and "calling" it only leaves a `Call`: a record of what the file asked for. Time and
memory are bounded by the size of the file and the number of opcodes.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

MOST_OPCODES = 500_000
_LONGEST_LINE = 1000  # bytes of a name, or of text in protocol 0
_LARGEST_INTEGER = 4096  # bits
_LARGEST_KEY = 2**31


class BadPickle(ValueError):
    """The bytes are no pickle, or one that no honest program of ours wrote."""


class ForeignName(BadPickle):
    """The pickle names a class or function that is not on the list; `name` is module.name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"refused: the file asks for {name}, which a saved agent has no use for; nothing of the file was run"
        )
        self.name = name


class Name(str):
    """A class or function named by the pickle, as module.name."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Call:
    """What a pickle asks to be made: `maker` called with `arguments`, then given `items` and `state`."""

    maker: str
    arguments: tuple[Any, ...]
    items: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


@dataclass(slots=True, eq=False)
class Reference:
    """A persistent id: something that the pickle says lies outside of it."""

    id: Any


class _ShortLines(io.BytesIO):
    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise BadPickle(f"expected lines of less than {_LONGEST_LINE} bytes")
        return line


def load(
    content: bytes, allowed: Collection[str] = (), *, most_opcodes: int = MOST_OPCODES, start: int = 0
) -> tuple[Any, int]:
    """Interpret the pickle that begins at byte `start`.

    Args:
        content: the bytes.
        allowed: names (module.name) that the pickle may mention; with none, references are refused too.
        most_opcodes: a longer pickle is refused.

    Returns:
        the value, and the position after it.

    Raises:
        ForeignName: it names something else.
        BadPickle: it is damaged, too long, or uses opcodes that plain data does not need.
    """
    file = _ShortLines(content)
    file.seek(start)
    machine = _Machine(allowed)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= most_opcodes:
                raise BadPickle(f"expected at most {most_opcodes} opcodes")
            machine.do(opcode.name, argument)
        return machine.result(), file.tell()
    except BadPickle:
        raise
    except Exception as error:  # damaged bytes can raise almost anything
        raise BadPickle(f"damaged, truncated or of another kind ({type(error).__name__}: {error})") from None


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}

    def do(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            self._stack.append(argument)
        elif opcode in _MAKERS:
            self._stack.append(_MAKERS[opcode]())
        elif opcode not in _IGNORED:
            method = getattr(self, f"_{opcode.lower()}", None)
            if method is None:
                raise BadPickle(
                    f"refused: the file uses the pickle opcode {opcode}, which a saved agent has no use for"
                )
            method(argument)

    def result(self) -> Any:
        (value,) = self._stack
        if self._below:
            raise BadPickle("damaged: a mark without end")
        return value

    def _to_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    # -- integers, and what was seen before -----------------------------------------------------------

    def _long1(self, number: int) -> None:
        if number.bit_length() > _LARGEST_INTEGER:
            raise BadPickle(f"expected integers of at most {_LARGEST_INTEGER} bits")
        self._stack.append(number)

    _long4 = _long1
    _long = _long1

    def _binput(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    _long_binput = _binput
    _put = _binput

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _binget(self, number: int) -> None:
        self._stack.append(self._memo[number])

    _long_binget = _binget
    _get = _binget

    # -- containers -------------------------------------------------------------------------------------

    def _tuple_of(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) != count:
            raise BadPickle("damaged: a tuple lacks items")
        self._stack[-count:] = [items]

    def _tuple1(self, _: Any) -> None:
        self._tuple_of(1)

    def _tuple2(self, _: Any) -> None:
        self._tuple_of(2)

    def _tuple3(self, _: Any) -> None:
        self._tuple_of(3)

    def _tuple(self, _: Any) -> None:
        items = tuple(self._to_mark())
        self._stack.append(items)

    def _list(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append(items)

    def _dict(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append({})
        self._update(items)

    def _append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise BadPickle("damaged: items for something that is no list")
        self._stack[-1].extend(items)

    def _additems(self, _: Any) -> None:
        items = self._to_mark()
        if type(self._stack[-1]) is not set:
            raise BadPickle("damaged: items for something that is no set")
        self._stack[-1].update(map(key, items))

    def _setitem(self, _: Any) -> None:
        self._update([self._stack.pop(-2), self._stack.pop()])

    def _setitems(self, _: Any) -> None:
        self._update(self._to_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        entries = target.items if type(target) is Call else target
        if type(entries) is not dict or len(items) % 2:
            raise BadPickle("damaged: items for something that is no dictionary")
        entries.update(zip(map(key, items[::2]), items[1::2], strict=True))

    # -- what a pickle would have imported and called ---------------------------------------------------

    def _named(self, name: str) -> None:
        if name not in self._allowed:
            raise ForeignName(name)
        self._stack.append(Name(name))

    def _global(self, module_and_name: str) -> None:
        self._named(module_and_name.replace(" ", ".", 1))

    def _inst(self, module_and_name: str) -> None:
        raise ForeignName(module_and_name.replace(" ", ".", 1))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str or len(name) + len(module) > _LONGEST_LINE:
            raise BadPickle("damaged: a class is named by something that is no short text")
        self._named(f"{module}.{name}")

    def _reduce(self, _: Any) -> None:
        arguments, maker = self._stack.pop(), self._stack.pop()
        if type(maker) is not Name or type(arguments) is not tuple:
            raise BadPickle("refused: the file calls something that is no function")
        self._stack.append(Call(maker, arguments))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        if type(self._stack[-1]) is not Call or self._stack[-1].state is not None:
            raise BadPickle("refused: the file sets the state of something that has none")
        self._stack[-1].state = state

    def _binpersid(self, _: Any) -> None:
        if not self._allowed:
            raise BadPickle("refused: the file refers to objects outside of it")
        self._stack.append(Reference(self._stack.pop()))


_VALUES = frozenset({
    "BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "INT", "FLOAT", "UNICODE",  # of protocol 0; its lines are short
})  # fmt: skip
_MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})


def key(value: Any) -> Any:
    """`value`, if it may be a key of a dictionary or an item of a set."""
    # Keys of other types could be made to take very long, or very deep a recursion, to hash.
    if type(value) is str or (type(value) is int and abs(value) < _LARGEST_KEY):
        return value
    raise BadPickle(f"expected text or a small integer as a key, got {type(value).__name__}")

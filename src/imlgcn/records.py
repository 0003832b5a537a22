"""Records: frozen classes that check what they are made of; the content of a tagger's files.

What settings are for people (`imlgcn.config`), records are for files that the package writes
itself; their methods have the same names. They are made without pydantic and dataclasses: loading
the former takes longer than tagging an image, each of the latter as long as a hundred functions.
Nothing is converted but 5 and 5.0 into each other, which JSON does not tell apart: a file with
``"5"`` or ``true`` for a number was not written here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from functools import cache
from math import inf, isfinite
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Self,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from imlgcn.errors import InputError, unknown_name
from imlgcn.numbers import shortened
from imlgcn.parsing import ParseError, parse_json


class Within(NamedTuple):
    """Bounds of a number, both included."""

    least: float
    most: float = inf

    def __str__(self) -> str:
        """Return what to expect."""
        return f"{self.least} to {self.most}" if isfinite(self.most) else f"at least {self.least}"

    def allows(self, value: Any) -> bool:
        """Return whether a number is within the bounds."""
        return bool(self.least <= value <= self.most)


class Above(NamedTuple):
    """A bound that a number has to exceed."""

    bound: float

    def __str__(self) -> str:
        """Return what to expect."""
        return f"more than {self.bound}"

    def allows(self, value: Any) -> bool:
        """Return whether a number exceeds the bound."""
        return bool(value > self.bound)


class Length(NamedTuple):
    """How many values a list has."""

    wanted: int

    def __str__(self) -> str:
        """Return what to expect."""
        return f"{self.wanted} values"

    def allows(self, value: Any) -> bool:
        """Return whether a list has as many."""
        return len(value) == self.wanted


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=True)
class Record:
    """Base of all records: frozen, compared by value, made by the names of its fields.

    A field is a `bool`, `int`, `float` (finite), `str`, a `Literal`, another record, a list, tuple
    or dict of these, one of them or None, or anything (`Any`); ``Annotated[int, Within(1, 5)]``
    adds a bound. Mappings become records, and lists tuples, where these are expected. Each record
    has lists and dicts of its own, also of those that are defaults.

    Raises:
        InputError: a value is not what its field expects; the message starts with its place.
    """

    def __init__(self, /, **values: Any) -> None:
        kinds = _kinds(cast(Any, type(self)))  # mypy takes the hash of its records for its own
        for name in values:
            if name not in kinds:
                raise unknown_name("setting", name, kinds)
        for name, kind in kinds.items():
            if name not in values and not hasattr(type(self), name):
                raise InputError(f"{name}: is missing")
            value = values[name] if name in values else getattr(type(self), name)
            self.__dict__[name] = _checked(value, kind, name)
        self.check()

    def check(self) -> None:
        """Compare fields with each other; of records that need it.

        Raises:
            InputError: they do not fit.
        """

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a record stays as it is; `model_copy` makes another one."""
        raise AttributeError(f"{type(self).__name__} is frozen; make another with model_copy")

    def __eq__(self, other: object) -> bool:
        """Return whether another record of the same kind has the same values."""
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        """Return a hash of the values; there is none where they hold lists or dicts."""
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        """Return the call that makes the same record."""
        values = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({values})"

    @classmethod
    def model_validate(cls, content: Any) -> Self:
        """Return the record of what a JSON text says.

        Raises:
            InputError: it is not an object, or one of its names or values is not expected.
        """
        if not isinstance(content, Mapping):
            raise _unexpected("an object", content, "")
        return cls(**content)

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Return the record of a JSON text.

        Raises:
            InputError: it is not JSON, or not of this record.
        """
        try:
            return cls.model_validate(parse_json(text))
        except ParseError as error:
            raise InputError(str(error)) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """Return a record with other values in some fields."""
        return type(self)(**(self.__dict__ | dict(update or {})))

    def model_dump(
        self,
        *,
        mode: Literal["python", "json"] = "python",
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the values as a dictionary; in ``mode="json"`` as a JSON text would have them."""
        names = [name for name in self.__dict__ if include is None or name in include]
        dump = _as_json if mode == "json" else _as_python
        return {name: dump(self.__dict__[name]) for name in names if name not in exclude}

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """Return the values as a JSON text; what is not finite becomes null."""
        separators = (",", ":") if indent is None else None
        content = self.model_dump(mode="json")
        return json.dumps(content, indent=indent, separators=separators, ensure_ascii=False)


@cache
def _kinds(record: type[Record]) -> dict[str, Any]:
    return get_type_hints(record, include_extras=True)


def _unexpected(expected: str, value: object, place: str) -> InputError:
    found = shortened(ascii(value), 60)
    return InputError(f"{place}{place and ': '}expected {expected}; got {found}")


def _checked(value: Any, kind: Any, place: str) -> Any:
    """Return a value as its kind has it; ``place`` is where it stands, such as ``image.size``."""
    if kind in PLAIN:
        return _plain(value, kind, place)
    if isinstance(kind, type) and issubclass(kind, Record):
        return value if isinstance(value, kind) else _nested(value, kind, place)
    return CHECKS[get_origin(kind)](value, get_args(kind), place)


def _plain(value: Any, kind: Any, place: str) -> Any:
    if kind is Any:
        return value
    if isinstance(value, bool) and kind is not bool:
        raise _unexpected(PLAIN[kind], value, place)
    if kind is float and isinstance(value, int) and abs(value) <= sys.float_info.max:
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # JSON has one kind of numbers
    if not isinstance(value, kind) or (kind is float and not isfinite(value)):
        raise _unexpected(PLAIN[kind], value, place)
    return value


def _nested(value: Any, kind: type[Record], place: str) -> Record:
    try:
        return kind.model_validate(value)
    except InputError as error:
        raise InputError(f"{place}.{error}") from None


def _annotated(value: Any, given: tuple[Any, ...], place: str) -> Any:
    kind, *bounds = given
    value = _checked(value, kind, place)
    for bound in bounds:
        if not bound.allows(value):
            raise _unexpected(str(bound), value, place)
    return value


def _literal(value: Any, words: tuple[Any, ...], place: str) -> Any:
    if not isinstance(value, str) or value not in words:
        raise _unexpected(" or ".join(map(repr, words)), value, place)
    return value


def _optional(value: Any, kinds: tuple[Any, ...], place: str) -> Any:
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    return None if value is None else _checked(value, kind, place)


def _list(value: Any, kinds: tuple[Any, ...], place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _unexpected("a list", value, place)
    (kind,) = kinds
    if set(map(type, value)) == {kind} and (kind is not float or all(map(isfinite, value))):
        return list(value)  # all at once: there may be thousands of labels
    return [_checked(each, kind, f"{place}.{index}") for index, each in enumerate(value)]


def _tuple(value: Any, kinds: tuple[Any, ...], place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) != len(kinds):
        raise _unexpected(f"{len(kinds)} values", value, place)
    pairs = zip(value, kinds, strict=True)
    return tuple(_checked(each, kind, f"{place}.{i}") for i, (each, kind) in enumerate(pairs))


def _dict(value: Any, kinds: tuple[Any, ...], place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _unexpected("an object", value, place)
    return {
        _checked(name, kinds[0], place): _checked(each, kinds[1], f"{place}.{name}")
        for name, each in value.items()
    }


PLAIN = {
    Any: "anything",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
}
CHECKS: Mapping[Any, Callable[[Any, tuple[Any, ...], str], Any]] = {
    Annotated: _annotated,
    Literal: _literal,
    UnionType: _optional,
    Union: _optional,  # with an Annotated
    list: _list,
    tuple: _tuple,
    dict: _dict,
}


def _as_python(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model_dump()
    if isinstance(value, list | tuple):
        return type(value)(map(_as_python, value))
    return {key: _as_python(v) for key, v in value.items()} if isinstance(value, dict) else value


def _as_json(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return list(map(_as_json, value))
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value

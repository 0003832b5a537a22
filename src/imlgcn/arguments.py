"""Flags as arguments: what the command line calls ``--topk`` is ``topk=`` in Python as well.

Most flags are called as their arguments. Where they are not (``--all`` is a Python built-in,
``--freeze`` turns something off), a function takes the name of the flag beside its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from imlgcn.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])
NOT = "not "


def also_called(**names: str) -> Callable[[Function], Function]:
    """Let a function take arguments by other names, as :func:`own_names` reads them.

    >>> @also_called(topk="top_k")
    ... def predict(top_k=None):
    ...     return top_k
    >>> predict(topk=3)
    3
    """

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            return function(*args, **(own_names(given, names) if given.keys() & names else given))

        call.other_names = names  # type: ignore[attr-defined]
        return cast(Function, call)

    return decorate


def own_names(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments by their own names: ``names`` has that of each other one, or its opposite.

    >>> own_names({"freeze": True, "seed": 1}, {"freeze": "not fine_tune"})
    {'seed': 1, 'fine_tune': False}

    Raises:
        InputError: an argument comes by both of its names, or an opposite is not a truth value.
    """
    found = dict(given)
    for other in names.keys() & given.keys():
        value, name = found.pop(other), names[other].removeprefix(NOT)
        if value is None:
            continue
        if found.get(name) is not None:
            raise InputError(f"{other}= and {name}= are one argument; leave one of them out")
        if names[other].startswith(NOT):
            if not isinstance(value, bool):
                raise InputError(f"{other}= takes True or False; got {value!r}")
            value = not value
        found[name] = value
    return found

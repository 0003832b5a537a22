"""JSON and YAML from anywhere: whatever is wrong with a text is one error with one sentence.

Python's own parsers stop with five kinds of errors (depth, digits, dates, surrogates, syntax), keep
the last of two equal keys in silence, and expand what a YAML alias repeats without a limit.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MAX_NODES = 1_000_000  # values in a YAML text, those of aliases counted as often as they appear


class ParseError(ValueError):
    """What is wrong with a text, for the end of a sentence: "is not valid JSON (...)"."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    >>> parse_json('{"sea": 1}')
    {'sea': 1}

    Raises:
        ParseError: it is not JSON, nests too deep, holds a number of more than 4,300 digits, half
            of a surrogate pair, or two values with the same name.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
        if "\\ud" in text.lower() if isinstance(text, str) else b"\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ParseError("it nests too deep") from None
    except UnicodeEncodeError:
        raise ParseError("it holds half a surrogate pair, which is not a character") from None
    except ValueError as error:
        raise ParseError(_digits(error)) from None
    return content


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text, of plain types only.

    >>> parse_yaml("sea: [1, 2]")
    {'sea': [1, 2]}

    Raises:
        ParseError: it is not YAML, nests too deep, has an impossible date, a number of more than
            4,300 digits, two values with the same name, or aliases that repeat without end.
    """
    import yaml

    try:
        loader = _loader()(text)
        try:
            content = loader.get_single_data()
        finally:
            loader.dispose()
    except RecursionError:
        raise ParseError("it nests too deep") from None
    except yaml.YAMLError as error:
        raise ParseError(" ".join(str(error).split())) from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # dates, numbers, tags
        raise ParseError(_digits(error)) from None
    if "&" in text:
        _refuse_repetition(content)
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"an object has two values named {twice!a}")
    return found


def _digits(error: Exception) -> str:
    return "it holds a number of thousands of digits" if "digits" in str(error) else str(error)


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe one, which refuses two values with the same key."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                twice = next(key for key in keys if keys.count(key) > 1)
                raise ParseError(f"two values are named {twice!a}")
            return super().construct_mapping(node, deep)

    return Loader


def _refuse_repetition(content: Any) -> None:
    """Walk as a reader would, aliases included, as far as any file of sense goes."""
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        if isinstance(inside, list):
            count += len(inside)
            waiting += inside
        if count > MAX_NODES:
            raise ParseError("its aliases repeat without end")

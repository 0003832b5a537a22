"""The one error meant for users, and the nearest spelling of what they wrote."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """What was expected, what was given, and what to do next, in one sentence."""

    exit_code = 2  # of the command line


class NoticeWarning(UserWarning):
    """What a user should know of and that stops nothing; the command line writes it on one line."""


def unknown_name(kind: str, given: str, known: Iterable[str]) -> InputError:
    """Return the error for a name that is not in a registry, with the nearest spelling.

    >>> str(unknown_name("head", "lienar", ["linear", "mlp"]))
    "unknown head 'lienar'; did you mean 'linear'? Known: linear, mlp"
    """
    names = sorted(known)
    hint = nearest(given, names).removeprefix("; ")
    return InputError(f"unknown {kind} {given!r}; {hint and hint + ' '}Known: {', '.join(names)}")


def nearest(given: str, known: Iterable[str]) -> str:
    """Return a question with the nearest of the known spellings, or nothing.

    >>> nearest("lienar", ["linear", "mlp"]), nearest("xyz", ["linear", "mlp"])
    ("; did you mean 'linear'?", '')
    """
    import difflib  # only here, and seldom: it takes its time to load

    near = difflib.get_close_matches(given, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""

"""Published checkpoints: the head's entries, renamed to our state dict.

One file per system, each with two functions of a checkpoint's state dict (a whole network or the
head alone):

- ``convert(state)`` returns the state dict of our head. Unknown entries keep their names, so
  that strict loading reports them.
- ``options(state)`` returns the head options that can be read from names and shapes; they go over
  the preset ``paper``.

Each file documents the names of the backbone's entries. Tensors are not copied.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.numbers import plural

State = Mapping[str, Tensor]


def head_entries(state: State, anchor: str, system: str) -> dict[str, Tensor]:
    """Return the entries that share the prefix of the one whose name ends in ``anchor``.

    The prefix, the path of the head in the whole network, is removed.

    >>> head_entries({"body.w": 1, "head.fc.w": 2, "head.fc.b": 3}, "fc.w", "X")
    {'fc.w': 2, 'fc.b': 3}
    """
    found = [key for key in state if f".{key}".endswith(f".{anchor}")]
    if not found:
        some = ", ".join(list(state)[:3])
        raise InputError(
            f"not a checkpoint of {system}: no entry is named {anchor}; "
            f"it has {plural(len(state), 'entry', 'entries')} "
            f"({some}{', ...' if len(state) > 3 else ''})"
        )
    prefix = found[0].removesuffix(anchor)
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def rename(key: str, starts: Mapping[str, str]) -> str:
    """Replace the first of ``starts`` that ``key`` begins with; a key without one stays.

    >>> rename("norm1.bias", {"norm1.": "query_norm."})
    'query_norm.bias'
    """
    for start, ours in starts.items():
        if key.startswith(start):
            return ours + key.removeprefix(start)
    return key

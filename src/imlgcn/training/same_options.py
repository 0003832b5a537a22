"""All processes of a training must have been started with the same options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from imlgcn.errors import InputError
from imlgcn.training.ranks import Ranks
from imlgcn.training.resolve import Plan

LONGEST = 40  # characters of a value in the message
MOST = 3  # options that it names


def options_of(plan: Plan, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return every option as text by its name: of settings with dots, as in ``config.yaml``.

    What ``arguments`` say goes in as it was given, so that a path has to be spelled alike.
    """
    settings = dict(_flat(plan.settings().model_dump(mode="json")))
    plain = {**arguments, **plan.to_config(), "device": plan.device, "preset": plan.preset}
    return {name: json.dumps(value, default=str) for name, value in (settings | plain).items()}


def check_same_options(ranks: Ranks, options: Mapping[str, str]) -> None:
    """Refuse processes with different ``options``: those of the first would count, unnoticed.

    Raises:
        InputError: they differ; in every process, with what differs.
    """
    if ranks.world == 1:
        return
    text = json.dumps(options, sort_keys=True)
    if len(set(ranks.gather(hashlib.sha256(text.encode()).hexdigest()))) > 1:
        ranks.agreed = _difference(ranks, ranks.gather(dict(options)))
        raise ranks.agreed


def _difference(ranks: Ranks, found: list[dict[str, str]]) -> InputError:
    """Return what differs between the first process and the first that is not as it is."""
    other = next(rank for rank, options in enumerate(found) if options != found[0])
    names = [name for name in found[0] if found[0][name] != found[other].get(name)]
    names += [name for name in found[other] if name not in found[0]]
    kind, per = ("node", ranks.layout.processes) if ranks.layout.nodes > 1 else ("process", 1)
    said = [
        f"{name} is {_short(found[0].get(name))} on {kind} 0 and {_short(found[other].get(name))} "
        f"on {kind} {other // per}"
        for name in names[:MOST]
    ]
    more = f" (and {len(names) - MOST} more)" if len(names) > MOST else ""
    return InputError(
        f"the {ranks.world} processes were started with different options: {', '.join(said)}"
        f"{more}; give the same command everywhere"
    )


def _short(value: str | None) -> str:
    if value in (None, "null"):
        return "not given"
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their keys joined by dots."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value

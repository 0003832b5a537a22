"""Known labels over HTTP: what a request may say, and what the page needs to do the same itself.

Letters: L labels.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.sparse import MANY_LABELS
from imlgcn.parsing import ParseError, parse_json
from imlgcn.serve.errors import ApiError
from imlgcn.serve.limits import checked_json
from imlgcn.tagger import Tagger
from imlgcn.tagger.info import KnownSettings
from imlgcn.tagger.known import Way

LOGIT_DIGITS = 4


def way(tagger: Tagger) -> Way | None:
    """Return what uses known labels; None where nothing can."""
    if tagger.known_by == "counts":
        try:
            _ = tagger.known_update
        except InputError:  # it may name a path of this machine
            return None
    return tagger.known_by


def known_row(tagger: Tagger, text: str | None) -> NDArray[np.int8] | None:
    """Return known labels given as a JSON object as a row (L,), None without any.

    Raises:
        ApiError: 413, too many values; 422, no such object, unknown label, or a tagger that cannot
            use known labels.
    """
    try:
        safe = checked_json((text or "{}").encode(errors="replace"), "known", "bad_known")
        given = parse_json(safe)
    except ParseError:
        given = None
    if not isinstance(given, dict):
        message = 'known takes a JSON object of labels with 1 or 0, such as {"sea":1}'
        raise ApiError(422, "bad_known", message)
    if given and way(tagger) is None:
        message = (
            "this tagger has no counts of label pairs to use known labels with; leave them out"
        )
        raise ApiError(422, "known_not_used", message)
    try:
        return tagger.known_row(given)
    except InputError as error:
        raise ApiError(422, "bad_known", str(error)) from None


def facts(tagger: Tagger) -> dict[str, Any] | None:
    """Return what the update of `imlgcn.labels.known` is computed from; None where it is not used.

    Nor for very many labels: their counts are too much for a page, and the server has them.

    ``counts`` are those of :meth:`imlgcn.labels.known.PairCounts.to_text`.
    """
    if way(tagger) != "counts" or len(tagger.labels) > MANY_LABELS:
        return None
    settings = tagger.info.known or KnownSettings()
    counts = json.loads(tagger.known_update.counts.to_text())
    return {**settings.model_dump(exclude={"by"}), **counts}


def logits_of(probabilities: NDArray[np.float64]) -> list[float]:
    """Return the logits of probabilities (L,): exact enough to update them elsewhere."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    found: list[float] = np.round(np.log(p) - np.log1p(-p), LOGIT_DIGITS).tolist()
    return found


def named(known: NDArray[np.int8], labels: tuple[str, ...]) -> dict[str, int]:
    """Return a row of known labels by name."""
    return {labels[index]: int(known[index]) for index in np.flatnonzero(known >= 0)}

r"""Known labels: what the labels that somebody has given say about the others, by pair counts.

A closed form for any head: nothing is trained, and the network is not asked again. Letters: N
images, L labels; j is a known label of an image, c any other, l a calibrated logit of the head.

.. math::
    l'_c = l_c + \beta \sum_j \log \frac{P(y_j \mid c, x)}{P(y_j \mid \neg c, x)}

Without the image x that is Bayes' rule for labels that are independent given c, and beta < 1
because they are not. Their probabilities are smoothed counts of the training images,

.. math::
    P(j \mid c) = \frac{n_{jc} + m p_j}{n_c + m}, \qquad
    P(j \mid \neg c) = \frac{n_j - n_{jc} + m p_j}{N - n_c + m}

with m pseudo-images. But what the image shows of j is already in the score of c: a label that the
head was sure of says little that is new. With the factor ``surprise`` t from 0 to 1,

.. math::
    P(j \mid c, x) = \sigma(u_j + \operatorname{logit} P(j \mid c) - \operatorname{logit} p_j),
    \qquad u_j = t\,l_j + (1 - t) \operatorname{logit} p_j

and t = 0 is P(j | c), whatever the image. An absent label counts with 1 - P in place of P.

This is the *ranking* update: it orders the images of each label. What makes probabilities of it is
another step, :class:`imlgcn.metrics.known_calibration.KnownCalibration`.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.labels.context import Counts, LabelContext
from imlgcn.labels.known_defaults import BETA, SMOOTHING, SURPRISE
from imlgcn.labels.on_demand import stored
from imlgcn.labels.pairs import column_of, dense, diagonal_of, row_of
from imlgcn.labels.sparse import MANY_LABELS, PARTS, SparseMatrix
from imlgcn.labels.sparse_pairs import OffsetMatrix
from imlgcn.parsing import parse_json

Floats = NDArray[np.float64]

SMALLEST = 1e-6  # of a probability


class PairCounts(NamedTuple):
    """Counts of pairs of labels, each ``(L, L)``; ``[j, c]`` reads "of label j, given label c".

    An image where one of the two is unknown counts for neither, so that a label nobody looked for
    is not taken for absent.
    """

    both: Counts
    """Images that show j and c."""

    shown: Counts
    """Images that show c, and where j is known: n_c where every target is."""

    known: Counts
    """Images where j and c are known: N where every target is."""

    @classmethod
    def from_context(cls, context: LabelContext) -> Self:
        """Return the counts of a label context."""
        shape = (context.num_labels,) * 2
        both, shown, known = (
            stored(context, name) for name in ("pair_counts", "shown_where_known", "known_pairs")
        )
        if shown is None or known is None:
            shown = np.broadcast_to(context.occurrences, shape)
            known = np.broadcast_to(np.int64(context.num_images), shape)
        return cls(both, shown, known)

    @property
    def complete(self) -> bool:
        """Whether every target was known: the other two then follow from ``both``."""
        known = self.known
        if not isinstance(known, np.ndarray):
            return False
        # a number that is broadcast is looked at once
        some = known[:1, :1] if known.strides == (0, 0) else known
        return bool((some == some[0, 0]).all())

    def to_text(self) -> str:
        """Return the counts as text for an exported file: JSON around compressed numbers.

        1,000 labels are about 100 kB, of data in which most pairs never occur. Of more labels only
        pairs that occur are listed.
        """
        images = int(diagonal_of(self.known).max(initial=0))
        tables = self[:1] if self.complete else self
        if self.both.shape[0] > MANY_LABELS:
            return json.dumps({"images": images, "pairs": [_sparse_text(each) for each in tables]})
        return json.dumps({"images": images, "counts": _pack(np.stack([*map(dense, tables)]))})

    @classmethod
    def from_text(cls, text: str, num_labels: int) -> Self:
        """Return the counts of :meth:`to_text`.

        Raises:
            InputError: it is not such a text, or of another number of labels.
        """
        L = num_labels
        try:
            content = parse_json(text)
            images = int(content["images"])
            tables: list[Counts]
            if "pairs" in content:
                tables = [_sparse_counts(each, L) for each in content["pairs"]]
            else:
                # no more than three matrices, whatever the text unpacks to
                stack = _unpack(content["counts"], 3 * L * L).reshape(-1, L, L)
                if (stack < 0).any():
                    raise ValueError("negative")
                tables = list(stack.astype(np.int64))
        except (ValueError, KeyError, TypeError, binascii.Error, zlib.error, InputError) as error:
            raise InputError(f"the counts of label pairs are damaged ({error})") from None
        if len(tables) not in (1, 3):
            raise InputError(f"the counts of label pairs are damaged: not of {L} labels")
        if len(tables) == 3:
            return cls(*tables)
        shown = np.broadcast_to(diagonal_of(tables[0]), (L, L))
        return cls(tables[0], shown, np.broadcast_to(np.int64(images), (L, L)))


def _pack(numbers: NDArray[np.integer]) -> str:
    return base64.b64encode(zlib.compress(numbers.astype("<i4").tobytes(), 9)).decode()


def _unpack(packed: str, most: int) -> NDArray[np.int32]:
    """Return int32 numbers; beyond ``most`` they do not come out whole, which is an error."""
    raw = zlib.decompressobj().decompress(base64.b64decode(packed), 4 * most + 1)
    return np.frombuffer(raw, "<i4")


def _sparse_text(counts: Counts) -> dict[str, str]:
    offsets = {}
    if isinstance(counts, OffsetMatrix):
        offsets = {"rows": _pack(counts.rows), "columns": _pack(counts.columns)}
        counts = counts.entries
    entries = SparseMatrix.from_dense(counts) if isinstance(counts, np.ndarray) else counts
    parts = (np.diff(entries.starts), entries.columns, entries.values)
    return {"entries": _pack(np.concatenate(parts)), **offsets}


def _sparse_counts(text: Mapping[str, str], L: int) -> Counts:
    numbers = _unpack(text["entries"], 2 * L * L + L)
    lengths, rest = numbers[:L].astype(np.int64), numbers[L:]
    half = len(rest) // 2
    parts = (np.concatenate([[0], np.cumsum(lengths)]), rest[:half], rest[half:].astype(np.int64))
    entries = SparseMatrix.from_arrays(dict(zip(PARTS, parts, strict=True)), (L, L))
    if "rows" not in text:
        return entries
    rows, columns = (_unpack(text[side], L).astype(np.int64) for side in ("rows", "columns"))
    if not len(rows) == len(columns) == L:
        raise ValueError(f"not of {L} labels")
    return OffsetMatrix(rows, columns, entries)


class KnownLabels:
    """The update of logits by known labels; what one says is computed when it is asked.

    Args:
        counts: of the images that the tagger has learnt.
        beta: how far the evidence counts, 0 or more.
        surprise: t above, 0 to 1.
        smoothing: m above, more than 0.

    Raises:
        InputError: counts of no image, or a number out of range.
    """

    def __init__(
        self,
        counts: PairCounts,
        *,
        beta: float = BETA,
        surprise: float = SURPRISE,
        smoothing: float = SMOOTHING,
    ) -> None:
        if not (beta >= 0 and 0 <= surprise <= 1 and smoothing > 0):
            raise InputError(
                "beta is 0 or more, surprise from 0 to 1 and smoothing more than 0; got "
                f"{beta}, {surprise} and {smoothing}"
            )
        self._counts, self.smoothing = counts, smoothing
        occurred, images = diagonal_of(counts.both), diagonal_of(counts.known)
        if not images.any():
            raise InputError("known labels need counts of label pairs, and these are of no image")
        self.beta, self.surprise = beta, surprise
        self._p = occurred / np.maximum(images, 1)  # (L,), of j
        self.prior = _logit(self._p)
        """logit p_j, ``(L,)``."""

    def conditionals(self, j: int) -> tuple[Floats, Floats]:
        """Return logit P(j | c) and logit P(j | not c) for every label c, each ``(L,)``."""
        counts, m = self._counts, self.smoothing
        both, shown, known = (np.asarray(row_of(each, j), np.float64) for each in counts)
        own = column_of(counts.shown, j)  # images that show j, and where c is known
        pseudo = m * self._p[j]
        given = _logit((both + pseudo) / (shown + m))
        return given, _logit((own - both + pseudo) / (known - shown + m))

    def evidence(self, logits: ArrayLike, known: NDArray[np.int8], j: int) -> Floats:
        """Return what the known label j adds to each label's logit, ``(N, L)``, before ``beta``.

        Zeros where j is not known, and for j itself.

        Shape:
            - logits, known (1, 0, -1) ``(N, L)``
        """
        sign = np.where(known[:, j] == 1, 1.0, -1.0)[:, None]  # (N, 1)
        own = np.asarray(logits, np.float64)[:, [j]] - self.prior[j]
        moved = self.surprise * own  # (N, 1), u_j - logit p_j
        given, without = self.conditionals(j)
        found = _log_sigmoid(sign * (moved + given))
        found -= _log_sigmoid(sign * (moved + without))
        found[known[:, j] < 0] = 0.0
        found[:, j] = 0.0
        return found

    def update(self, logits: ArrayLike, known: NDArray[np.int8]) -> Floats:
        """Return the logits that known labels give, for ranking; known labels get one as well.

        A row without known labels comes back as it is.

        Shape:
            - logits calibrated, known (1, 0, -1) ``(N, L)``, or of one image ``(L,)``; output the
              same
        """
        rows = np.atleast_2d(np.asarray(logits, np.float64))
        given = np.atleast_2d(known)
        if rows.shape != given.shape or rows.shape[1] != len(self.prior):
            raise InputError(
                f"logits and known labels have one column for each of {len(self.prior)} labels; "
                f"got {rows.shape} and {given.shape}"
            )
        shift = np.zeros_like(rows)
        for j in np.flatnonzero((given >= 0).any(axis=0)):
            chosen = np.flatnonzero(given[:, j] >= 0)
            shift[chosen] += self.evidence(rows[chosen], given[chosen], int(j))
        return np.asarray((rows + self.beta * shift).reshape(np.shape(logits)))


def _logit(probability: Floats) -> Floats:
    p = np.clip(probability, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))


def _log_sigmoid(x: Floats) -> Floats:
    return np.asarray(-np.logaddexp(0.0, -x))

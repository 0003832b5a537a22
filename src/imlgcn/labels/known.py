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
another step, :class:`imlgcn.metrics.known_labels.KnownCalibration`.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import CountArray
from imlgcn.parsing import parse_json

Floats = NDArray[np.float64]

# of a tagger that was trained before these were fitted
BETA, SURPRISE, SMOOTHING = 0.6, 0.0, 1.0
SMALLEST = 1e-6  # of a probability


class PairCounts(NamedTuple):
    """Counts of pairs of labels, each ``(L, L)``; ``[j, c]`` reads "of label j, given label c".

    An image where one of the two is unknown counts for neither, so that a label nobody looked for
    is not taken for absent.
    """

    both: CountArray
    """Images that show j and c."""

    shown: CountArray
    """Images that show c, and where j is known: n_c where every target is."""

    known: CountArray
    """Images where j and c are known: N where every target is."""

    @classmethod
    def from_context(cls, context: LabelContext) -> Self:
        """Return the counts of a label context."""
        shape = (context.num_labels,) * 2
        shown, known = context.shown_where_known, context.known_pairs
        if shown is None or known is None:
            shown = np.broadcast_to(context.occurrences, shape)
            known = np.full(shape, context.num_images, np.int64)
        return cls(context.pair_counts, shown, known)

    def to_text(self) -> str:
        """Return the counts as text for an exported file: JSON around compressed numbers.

        1,000 labels are about 100 kB, of data in which most pairs never occur.
        """
        images = int(self.known.max(initial=0))
        complete = bool((self.known == images).all())  # then the other two follow from the first
        stack = np.stack(self[:1] if complete else self).astype("<i4")
        packed = base64.b64encode(zlib.compress(stack.tobytes(), 9)).decode()
        return json.dumps({"images": images, "counts": packed})

    @classmethod
    def from_text(cls, text: str, num_labels: int) -> Self:
        """Return the counts of :meth:`to_text`.

        Raises:
            InputError: it is no such text, or of another number of labels.
        """
        L = num_labels
        try:
            content = parse_json(text)
            images, packed = int(content["images"]), base64.b64decode(content["counts"])
            # no more than three matrices, whatever the text unpacks to
            raw = zlib.decompressobj().decompress(packed, 3 * 4 * L * L + 1)
            stack = np.frombuffer(raw, "<i4").reshape(-1, L, L).astype(np.int64)
        except (ValueError, KeyError, TypeError, binascii.Error, zlib.error) as error:
            raise InputError(f"the counts of label pairs are damaged ({error})") from None
        if len(stack) not in (1, 3) or (stack < 0).any():
            raise InputError(f"the counts of label pairs are damaged: not of {L} labels")
        if len(stack) == 3:
            return cls(*stack)
        shown = np.broadcast_to(stack[0].diagonal(), (L, L))
        return cls(stack[0], shown, np.full((L, L), images, np.int64))


class KnownLabels:
    """The update of logits by known labels; its matrices are computed once.

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
        if not counts.known.any():
            raise InputError("known labels need counts of label pairs, and these are of no image")
        self.beta, self.surprise = beta, surprise
        both, shown, known = (np.asarray(count, np.float64) for count in counts)
        p = (both.diagonal() / np.maximum(known.diagonal(), 1))[:, None]  # (L, 1), of j
        pseudo = smoothing * p
        self.prior = _logit(p)[:, 0]
        """logit p_j, ``(L,)``."""
        self.given = _logit((both + pseudo) / (shown + smoothing))
        """logit P(j | c), ``(L, L)``."""
        # shown.T: images that show j, and where c is known
        self.without = _logit((shown.T - both + pseudo) / (known - shown + smoothing))
        """logit P(j | not c), ``(L, L)``."""

    def evidence(self, logits: ArrayLike, known: NDArray[np.int8], j: int) -> Floats:
        """Return what the known label j adds to each label's logit, ``(N, L)``, before ``beta``.

        Zeros where j is not known, and for j itself.

        Shape:
            - logits, known (1, 0, -1) ``(N, L)``
        """
        sign = np.where(known[:, j] == 1, 1.0, -1.0)[:, None]  # (N, 1)
        own = np.asarray(logits, np.float64)[:, [j]] - self.prior[j]
        moved = self.surprise * own  # (N, 1), u_j - logit p_j
        found = _log_sigmoid(sign * (moved + self.given[j]))
        found -= _log_sigmoid(sign * (moved + self.without[j]))
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

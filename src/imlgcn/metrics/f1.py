"""Precision, recall and F1 of predicted labels: overall (O) and per label (C).

``CF1`` is the F1 of mean precision and mean recall (ML-GCN, CSRA, C-Tran and most tables);
``CF1_per_label`` is the mean of the labels' own F1 (ASL, SRN). They differ and cannot be compared.
Letters: N images, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.blocks import row_blocks
from imlgcn.metrics.inputs import Floats, check_inputs


@dataclass(frozen=True, eq=False)
class F1Scores:
    """Fractions, overall and per label (L,), NaN where undefined, and the counts behind them."""

    OP: float
    OR: float
    OF1: float
    CP: float
    CR: float
    CF1: float
    CF1_per_label: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    predicted: NDArray[np.int64]
    positives: NDArray[np.int64]


def predict_labels(
    scores: ArrayLike,
    threshold: ArrayLike = 0.5,
    top_k: int | None = None,
    *,
    strict: bool = False,
    ties: Literal["kept", "first"] = "kept",
) -> NDArray[np.bool_]:
    """Return which labels are predicted: at or above the threshold (``strict``: above it).

    With ``top_k`` a label must also be among the image's k highest. Scores tied with the k-th are
    all ``"kept"``, so that the result does not depend on the order of the labels; or exactly k are
    taken, of tied ones the ``"first"`` (ML-GCN, CSRA: in their code it depends on the library).

    Shape:
        - scores ``(N, L)``, threshold ``()`` or ``(L,)``, output ``(N, L)``

    >>> predict_labels([[0.9, 0.6, 0.5]], 0.5, top_k=2).tolist()
    [[True, True, False]]
    """
    scores = np.asarray(scores)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    # in the precision of the scores: a float32 score of 0.7 reaches a threshold of 0.7
    limit = np.asarray(threshold).astype(scores.dtype)
    if scores.ndim != 2 or limit.shape not in {(), scores.shape[1:]}:
        raise InputError(
            f"expected scores (images, labels) and one threshold, or one per label; got scores "
            f"{scores.shape} and thresholds {limit.shape}"
        )
    predicted = scores > limit if strict else scores >= limit
    if top_k is not None:
        predicted &= _highest(scores, top_k, ties)
    return predicted


def precision_recall_f1(
    predicted: ArrayLike,
    targets: ArrayLike,
    *,
    empty: Literal["left_out", "zero", "nan", "one"] = "left_out",
    unpredicted_as_one: bool = False,
) -> F1Scores:
    """Return precision, recall and F1 over the known entries; unknown ones (-1) count nowhere.

    A label never predicted has precision 0 in the averages. A label without a positive has no
    recall: it is left out of the averages per label (``"left_out"``), or counts as ``"zero"`` as in
    C-Tran and ASL, or makes CR and CF1 ``"nan"`` as in ML-GCN and CSRA; or every 0/0, of precision
    too, is ``"one"`` as in SRN. ``unpredicted_as_one`` counts one prediction in OP for every label
    never predicted, as ML-GCN and CSRA do.

    Shape:
        - predicted, targets ``(N, L)``

    >>> scores = precision_recall_f1([[1, 1], [1, 0], [0, 0]], [[1, 0], [0, 1], [1, 1]])
    >>> scores.OP, scores.OR, scores.CP, scores.CR
    (0.3333333333333333, 0.25, 0.25, 0.25)
    """
    given, truth = check_inputs(predicted, targets)
    parts = [_counts(given[rows], truth[rows]) for rows in row_blocks(truth.shape)]
    return _of_counts(np.sum(parts, axis=0), empty, unpredicted_as_one)


def thresholded_f1(
    scores: ArrayLike, targets: ArrayLike, threshold: ArrayLike = 0.5, top_k: int | None = None
) -> F1Scores:
    """Return :func:`precision_recall_f1` of :func:`predict_labels`, a block of images at a time.

    Shape:
        - scores, targets ``(N, L)``, threshold ``()`` or ``(L,)``
    """
    scores, truth = check_inputs(scores, targets)
    parts = [
        _counts(predict_labels(scores[rows], threshold, top_k), truth[rows])
        for rows in row_blocks(truth.shape)
    ]
    return _of_counts(np.sum(parts, axis=0), "left_out")


def _counts(predicted: NDArray[Any], truth: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return true positives, predicted ones and positives of each label, ``(3, L)``."""
    known, positive = truth >= 0, truth == 1
    tagged = (predicted > 0) & known
    return np.array([(tagged & positive).sum(axis=0), tagged.sum(axis=0), positive.sum(axis=0)])


def _of_counts(counts: NDArray[np.int64], empty: str, unpredicted_as_one: bool = False) -> F1Scores:
    true_positives, num_predicted, positives = counts  # (L,) each
    precision, recall = _ratio(true_positives, num_predicted), _ratio(true_positives, positives)
    f1 = _ratio(2 * true_positives, num_predicted + positives)

    counted = positives > 0 if empty == "left_out" else np.ones_like(positives, dtype=bool)
    no_recall = {"zero": 0.0, "one": 1.0}.get(empty, np.nan)
    no_prediction = 1.0 if empty == "one" else 0.0
    total = np.maximum(num_predicted, 1).sum() if unpredicted_as_one else num_predicted.sum()
    found = true_positives.sum()
    op = float(np.nan_to_num(_ratio(found, total), nan=no_prediction))
    overall_recall = float(np.nan_to_num(_ratio(found, positives.sum()), nan=no_recall))
    cp = _mean(np.nan_to_num(precision, nan=no_prediction)[counted])
    cr = _mean(np.nan_to_num(recall, nan=no_recall)[counted])
    return F1Scores(
        OP=op,
        OR=overall_recall,
        OF1=_harmonic(op, overall_recall),
        CP=cp,
        CR=cr,
        CF1=_harmonic(cp, cr),
        CF1_per_label=_mean(np.nan_to_num(f1, nan=no_prediction)[counted]),
        precision=precision,
        recall=recall,
        f1=f1,
        true_positives=true_positives,
        predicted=num_predicted,
        positives=positives,
    )


def example_scores(predicted: ArrayLike, targets: ArrayLike) -> tuple[float, float, float]:
    """Return exact match, Hamming accuracy and F1 per image, over the known entries.

    Exact match is the fraction of images with every label right, Hamming accuracy the fraction of
    entries that are right; the F1 is averaged over the images with a label present or predicted, as
    in C-Tran's code.

    Shape:
        - predicted, targets ``(N, L)``

    >>> example_scores([[1, 1], [0, 0], [0, 0]], [[1, 0], [0, 0], [0, 1]])
    (0.3333333333333333, 0.6666666666666666, 0.3333333333333333)
    """
    given, truth = check_inputs(predicted, targets)
    known, positive = truth >= 0, truth == 1
    tagged = (given > 0) & known
    wrong = (tagged != positive) & known
    f1 = _ratio(
        2 * (tagged & positive).sum(axis=1), tagged.sum(axis=1) + positive.sum(axis=1)
    )  # (N,)
    exact = _mean(1.0 - wrong.any(axis=1))
    return exact, _mean(1.0 - wrong[known]), _mean(f1[~np.isnan(f1)])


def _highest(scores: Floats, k: int, ties: str) -> NDArray[np.bool_]:
    if k < 1:
        raise InputError(f"top_k must be at least 1; got {k}")
    if ties == "kept":
        index = max(scores.shape[1] - k, 0)  # fewer labels than k: all are among the highest
        return scores >= np.partition(scores, index, axis=1)[:, index : index + 1]  # (N, 1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, best, True, axis=1)
    return chosen


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(numerator, denominator)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _harmonic(a: float, b: float) -> float:
    return 0.0 if a + b == 0 else 2 * a * b / (a + b)

"""How each paper evaluates: one named protocol per published evaluation code.

What a paper calls mAP, CF1 or top-3 is what its code computes, and no two codes agree on empty
labels, ties, thresholds or unknown targets. The rules were taken from the repositories named below;
``docs/protocols.md`` compares them. Scores are the raw scores of the network: no paper calibrates
or fits a threshold. Letters: N images, L labels. Metrics are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.metrics.calibration import sigmoid
from imlgcn.metrics.f1 import F1Scores, example_scores, precision_recall_f1, predict_labels
from imlgcn.metrics.inputs import check_inputs
from imlgcn.metrics.ranking import PROTOCOLS, average_precision

TOP_K = 3
FLAT = 16.0  # logits beyond it, where the sigmoid is all but 0 or 1
SIX = ("OP", "OR", "OF1", "CP", "CR", "CF1")  # in the order of ML-GCN's code
Unknown = Literal["left_out", "absent"]


@dataclass(frozen=True)
class PublishedProtocol:
    """The rules of one paper's evaluation code.

    ``unknown_ap`` and ``unknown_f1`` tell how an unknown target (-1; VOC's "difficult") is treated.
    """

    paper: str
    source: str  # repository and commit whose code was followed
    scores: Literal["logits", "probabilities"]  # what the code ranks: rounded sigmoids make ties
    average_precision: str  # a name in ranking.PROTOCOLS
    # average precision of a label without a positive, which always counts in the mean
    empty_ap: Literal["nan", "zero"]
    unknown_ap: Unknown
    unknown_f1: Unknown
    # on the probability; 0.5 is a logit of 0
    threshold: float = 0.5
    strict: bool = False  # predicted above the threshold, not at it
    class_f1: Literal["of_means", "mean_of_labels"] = "of_means"
    empty_f1: Literal["zero", "nan", "one"] = "nan"  # see precision_recall_f1
    unpredicted_as_one: bool = False
    # overall 0/0 is NaN although per label it is what empty_f1 says
    overall_nan: bool = False
    top3_ties: Literal["kept", "first"] | None = "kept"  # None: the paper has no top-3 numbers
    counted_per_image: bool = False  # also exact match, Hamming accuracy and F1 per image
    f1_in_code: bool = True  # False: its code computes mAP only; F1 by the plain definitions


PUBLISHED: dict[str, PublishedProtocol] = {
    "ml_gcn": PublishedProtocol(
        paper="ML-GCN (Chen et al., CVPR 2019)",
        source="megvii-research/ML-GCN@5517d6ff8012ead45c26a07b3a9d960cdaa0b9d1",
        scores="logits",
        average_precision="rank",
        empty_ap="nan",
        unknown_ap="left_out",
        unknown_f1="absent",  # only its average precision handles "difficult"
        unpredicted_as_one=True,
        top3_ties="first",  # arbitrary in its code
    ),
    "csra": PublishedProtocol(
        paper="CSRA (Zhu and Wu, ICCV 2021)",
        source="Kevinz-code/CSRA@c8480d12742459809179eb0fc4ee0a88b6b98bfa",
        scores="probabilities",
        average_precision="rank",
        empty_ap="nan",
        unknown_ap="left_out",
        unknown_f1="left_out",
        unpredicted_as_one=True,
        top3_ties="first",  # arbitrary in its code
    ),
    "csra_wider": PublishedProtocol(
        paper="CSRA on WIDER Attribute (Zhu and Wu, ICCV 2021)",
        source="Kevinz-code/CSRA@f60da0f7f7252082f5e8d6c693a91fdd889d1e39",
        scores="probabilities",
        average_precision="rank",
        empty_ap="nan",
        unknown_ap="left_out",
        unknown_f1="absent",  # "unspecified" is left out of its average precision only
        unpredicted_as_one=True,
        top3_ties="first",  # arbitrary in its code
    ),
    "asl": PublishedProtocol(
        paper="ASL (Ridnik et al., ICCV 2021)",
        source="Alibaba-MIIL/ASL@8c9e0bd8d5d450cf19093363fc08aa7244ad4408",
        scores="probabilities",
        average_precision="rank",
        empty_ap="zero",  # 1e-8 is added to the positives; other labels hardly change
        unknown_ap="absent",
        unknown_f1="absent",
        threshold=0.8,  # of its validation script: the loss raises all probabilities
        strict=True,
        class_f1="mean_of_labels",
        empty_f1="zero",
        overall_nan=True,
        top3_ties=None,
    ),
    "ssgrl": PublishedProtocol(
        paper="SSGRL (Chen et al., ICCV 2019)",
        source="HCPLab-SYSU/SSGRL@ea47ccb2cf55ff37c5a91fc5a6974bdbc9ab6679",
        scores="logits",
        average_precision="voc12",
        empty_ap="nan",
        unknown_ap="absent",
        unknown_f1="absent",
        f1_in_code=False,
    ),
    "query2label": PublishedProtocol(
        paper="Query2Label (Liu et al., 2021)",
        source="SlongLiu/query2labels@55eb05064f4badbe03423b79e5c9d143da2dff2e",
        scores="probabilities",
        average_precision="voc12",
        empty_ap="nan",
        unknown_ap="absent",
        unknown_f1="absent",
        f1_in_code=False,
    ),
    "c_tran": PublishedProtocol(
        paper="C-Tran (Lanchantin et al., CVPR 2021)",
        source="QData/C-Tran@560cf6f47a7021b9993d63c78f61565840786c24",
        scores="probabilities",
        average_precision="sklearn",
        empty_ap="zero",
        unknown_ap="absent",
        unknown_f1="absent",
        empty_f1="zero",
        counted_per_image=True,
    ),
    "srn": PublishedProtocol(
        paper="SRN (Zhu et al., CVPR 2017)",
        source="zhufengx/SRN_multilabel@5d5dc6b845526acefb6f0869b00cd534b24110c8",
        scores="logits",
        average_precision="voc12",
        empty_ap="nan",
        unknown_ap="absent",
        unknown_f1="absent",
        strict=True,
        class_f1="mean_of_labels",
        empty_f1="one",  # its epsilons make 0/0 one
        top3_ties=None,
    ),
}


@dataclass(frozen=True, eq=False)
class PublishedScores:
    """What a paper's code prints, as fractions; NaN where the code divides by zero."""

    mean_average_precision: float
    average_precision: NDArray[np.float64]  # (L,)
    six: dict[str, float]  # OP OR OF1 CP CR CF1
    top3: dict[str, float] | None
    per_image: dict[str, float] | None  # ACC HA ebF1, as C-Tran calls them
    counts: F1Scores


def check_protocol(name: str) -> None:
    """Raise InputError for a name that is in neither `PROTOCOLS` nor `PUBLISHED`."""
    if name not in PROTOCOLS and name not in PUBLISHED:
        raise unknown_name("protocol", name, [*PROTOCOLS, *PUBLISHED])


def get_published(name: str) -> PublishedProtocol:
    """Return the published protocol of that name; InputError suggests the nearest spelling."""
    if name not in PUBLISHED:
        raise unknown_name("published protocol", name, PUBLISHED)
    return PUBLISHED[name]


def raw_probabilities(logits: ArrayLike, protocol: str) -> NDArray[np.floating]:
    """Return sigmoid(logits) in the precision of what the paper's code ranks.

    Codes that rank probabilities do so in float32, where high logits tie. For those that rank
    logits, different logits have different probabilities, in their order: where the sigmoid of
    float64 is 1 (above 36) or 0 (below -745), the next smaller or larger number stands for it.

    >>> raw_probabilities([[20.0, 20.5]], "csra")[0].tolist()
    [1.0, 1.0]
    >>> low, high = raw_probabilities([[40.0, 50.0]], "ml_gcn")[0].tolist()
    >>> low < high == 1.0
    True
    """
    probabilities = sigmoid(logits)
    if get_published(protocol).scores == "probabilities":
        return probabilities.astype(np.float32)
    return _without_new_ties(np.asarray(logits), probabilities)


def _without_new_ties(
    logits: NDArray[np.floating], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities with those that tie although their logits differ moved apart.

    By steps of the smallest size: the bits of a positive float are an integer in its order.
    """
    low = np.exp(np.minimum(logits, 0), dtype=np.float64)
    found = np.where(logits < -FLAT, low / (1 + low), probabilities)  # as exact as a float can be
    for side, sign in ((logits > FLAT, -1), (logits < -FLAT, 1)):
        values, first, place = np.unique(logits[side], return_index=True, return_inverse=True)
        if not len(values):
            continue
        bits = sign * found[side][first].view(np.int64)[::sign]  # from the end inwards
        steps = np.arange(len(values))
        apart = (np.maximum.accumulate(bits - steps) + steps) * sign
        found[side] = apart[::sign].view(np.float64)[place]
    return found


def score_published(
    probabilities: ArrayLike,
    targets: ArrayLike,
    protocol: str,
    *,
    threshold: float | None = None,
) -> PublishedScores:
    """Evaluate raw probabilities as a paper's code does; ``threshold`` replaces the paper's.

    Without any true positive the overall F1 is 0/0 in every code but SRN's: NaN.

    Shape:
        - probabilities, targets ``(N, L)``

    >>> scores = score_published([[0.9, 0.6], [0.7, 0.1]], [[1, 0], [0, 1]], "ml_gcn")
    >>> scores.mean_average_precision, scores.six["OP"], scores.six["CF1"]
    (0.75, 0.3333333333333333, 0.3333333333333333)
    """
    rules = get_published(protocol)
    probabilities, targets = check_inputs(probabilities, targets)
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise InputError(
            f"protocol {protocol!r} scores probabilities, 0 to 1; got {probabilities.min():g} to "
            f"{probabilities.max():g}: pass raw_probabilities(logits, {protocol!r})"
        )
    values = average_precision(
        probabilities, _resolve(targets, rules.unknown_ap), rules.average_precision
    )
    if rules.empty_ap == "zero":
        values = np.nan_to_num(values)
    truth = _resolve(targets, rules.unknown_f1)
    limit = rules.threshold if threshold is None else threshold
    predicted = predict_labels(probabilities, limit, strict=rules.strict)
    counts = _count(predicted, truth, rules)
    top3 = None
    if rules.top3_ties is not None:
        highest = predict_labels(
            probabilities, limit, TOP_K, strict=rules.strict, ties=rules.top3_ties
        )
        top3 = _six(_count(highest, truth, rules), rules)
    per_image = None
    if rules.counted_per_image:
        per_image = dict(zip(("ACC", "HA", "ebF1"), example_scores(predicted, truth), strict=True))
    mean = float(values.mean()) if len(values) else float("nan")
    return PublishedScores(mean, values, _six(counts, rules), top3, per_image, counts)


def _resolve(targets: NDArray[np.int8], unknown: Unknown) -> NDArray[np.int8]:
    return targets if unknown == "left_out" else np.maximum(targets, 0)


def _count(
    predicted: NDArray[np.bool_], truth: NDArray[np.int8], rules: PublishedProtocol
) -> F1Scores:
    return precision_recall_f1(
        predicted, truth, empty=rules.empty_f1, unpredicted_as_one=rules.unpredicted_as_one
    )


def _six(counts: F1Scores, rules: PublishedProtocol) -> dict[str, float]:
    of_means = rules.class_f1 == "of_means"
    six = {key: getattr(counts, key) for key in SIX}
    if not of_means:
        six["CF1"] = counts.CF1_per_label
    if (
        not counts.true_positives.any() and rules.empty_f1 != "one"
    ):  # precision and recall are both 0
        six["OF1"] = float("nan")
        six["CF1"] = float("nan") if of_means else six["CF1"]
    if rules.overall_nan:
        six["OP"] = six["OP"] if counts.predicted.any() else float("nan")
        six["OR"] = six["OR"] if counts.positives.any() else float("nan")
    return six

"""What a tagger can tell about itself, as JSON: labels, thresholds and their price, label graph.

A piece that the tagger has not got is None: an exported file has neither validation scores nor
graph. Letters: N images, L labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.metrics.f1 import precision_recall_f1, predict_labels
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.label_graph import DrawnGraph, summarise_graph

DIGITS = 6  # of probabilities and thresholds
SHARE_DIGITS = 4  # of precision and recall: the hundredths of a percent
GRAPH_THRESHOLD = 0.4  # of the label graph, for a head that has none
# from finding more to being surer; what is worse than the best F1 on both counts is left out
RECALLS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
PRECISIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)


def labels(tagger: Tagger) -> list[dict[str, Any]]:
    """Return each label with its threshold and the validation images it rests on."""
    positives = tagger.info.scale.positives
    return [
        {"label": name, "threshold": round(float(t), DIGITS), "positives": int(count)}
        for name, t, count in zip(tagger.labels, tagger.thresholds, positives, strict=True)
    ]


def graph(tagger: Tagger) -> dict[str, Any] | None:
    """Return the label graph with a place for each label that has an edge.

    Places are in points from the upper left corner of a drawing of ``size``.
    """
    context = None if tagger.path.is_file() else tagger.folder.context
    if context is None or not context.num_images:
        return None
    threshold = float(tagger.info.head.options.get("threshold", GRAPH_THRESHOLD))
    summary = summarise_graph(context, threshold)
    drawn = summary.drawn
    return {
        "threshold": threshold,
        "images": context.num_images,
        "size": [round(side, 1) for side in drawn.size] if drawn else [0, 0],
        "nodes": _nodes(drawn, context) if drawn else [],
        "edges": [
            {
                "source": rule.source,
                "target": rule.target,
                "probability": round(rule.probability, 3),
                "images": rule.count,
            }
            for rule in summary.rules
        ],
        "isolated": summary.isolated,
    }


def _nodes(drawn: DrawnGraph, context: LabelContext) -> list[dict[str, Any]]:
    images = dict(zip(context.names, context.occurrences.tolist(), strict=True))
    places = zip(drawn.names, drawn.nodes, drawn.radii, drawn.names_below, strict=True)
    return [
        {
            "label": name,
            "x": round(float(x), 1),
            "y": round(drawn.size[1] - float(y), 1),
            "radius": round(float(radius), 1),
            "name_below": below,
            "images": images[name],
        }
        for name, (x, y), radius, below in places
    ]


def trade(tagger: Tagger) -> dict[str, Any] | None:
    """Return thresholds from finding more to being surer, with what each gets on the test images.

    A step has the ``goal`` that `imlgcn predict --threshold` takes too, one threshold per label,
    and precision and recall of all tags and of each label (null where nothing can be said). Steps
    are fitted and chosen on validation; ``split`` says which images judge them: ``val`` where the
    run has no test images, and then the numbers are too good.
    """
    fitted = _scored(tagger, "val")
    if fitted is None:
        return None
    judged = _scored(tagger, "test") or fitted
    middle = _step(tagger, fitted, tagger.info.scale.goal)
    more = [_step(tagger, fitted, f"recall={value}") for value in RECALLS]
    surer = [_step(tagger, fitted, f"precision={value}") for value in PRECISIONS]
    steps = [*_improving(reversed(more), middle, "recall")[::-1], middle]
    steps += _improving(surer, middle, "precision")
    return {
        "split": judged.split,
        "images": len(judged.images),
        "positives": (judged.targets == 1).sum(axis=0).tolist(),
        "default": steps.index(middle),
        "steps": [_step(tagger, judged, step["goal"]) for step in steps],
    }


def _scored(tagger: Tagger, split: str) -> ScoredSplit | None:
    if tagger.path.is_file() or tagger.info.origin:
        return None
    return tagger.folder.scored(split)


def _improving(steps: Any, middle: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the steps, each better by ``key`` than all before it and than the middle."""
    best, kept = middle[key] or 0, []
    for step in steps:
        if step[key] is not None and step[key] > best:
            best = step[key]
            kept.append(step)
    return kept


def _step(tagger: Tagger, judged: ScoredSplit, goal: str) -> dict[str, Any]:
    limits = tagger.thresholds_for(goal)  # (L,)
    # from the logits, as `imlgcn train` judges: the stored probabilities are rounded to float32
    probabilities = tagger.calibration.apply(judged.logits)  # (N, L)
    counts = precision_recall_f1(predict_labels(probabilities, limits), judged.targets)
    hits, said, there = (
        np.append(part, part.sum())
        for part in (counts.true_positives, counts.predicted, counts.positives)
    )  # (L + 1,), all labels together last
    *precision, precision_of_all = _shares(hits, said)
    *recall, recall_of_all = _shares(hits, there)
    return {
        "goal": goal,
        "precision": precision_of_all,
        "recall": recall_of_all,
        "thresholds": limits.round(DIGITS).tolist(),
        "per_label": {"precision": precision, "recall": recall},
    }


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float | None]:
    pairs = zip(part.tolist(), whole.tolist(), strict=True)
    return [round(p / w, SHARE_DIGITS) if w else None for p, w in pairs]

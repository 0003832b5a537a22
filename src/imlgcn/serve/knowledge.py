"""What a tagger can tell about itself, as JSON: labels, thresholds and their price, label graph.

A piece that the tagger has not got is None: an exported file has neither validation scores nor
graph. Letters: N images, L labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.predictions import ScoredSplit, read_predictions
from imlgcn.report.graph import DrawnGraph, summarise_graph
from imlgcn.report.run_folder import read_context
from imlgcn.tagger import Tagger

DIGITS = 6  # of probabilities and thresholds
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
    context = None if tagger.path.is_file() else read_context(tagger.path, tagger.labels)
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
    """Return thresholds from finding more to being surer, with what each got on validation.

    A step has the ``goal`` that `imlgcn predict --threshold` takes too, one threshold per label,
    and precision and recall of all tags and of each label (null where nothing can be said).
    """
    if tagger.path.is_file() or tagger.info.origin:
        return None
    try:
        scored = read_predictions(tagger.path / "predictions.parquet", tagger.labels, "val")
    except (InputError, ValueError, KeyError, OSError):  # pyarrow's errors are ValueErrors
        return None
    middle = _step(tagger, scored, tagger.info.scale.goal)
    more = [_step(tagger, scored, f"recall={value}") for value in RECALLS]
    surer = [_step(tagger, scored, f"precision={value}") for value in PRECISIONS]
    steps = [*_improving(reversed(more), middle, "recall")[::-1], middle]
    steps += _improving(surer, middle, "precision")
    return {"images": len(scored.images), "default": steps.index(middle), "steps": steps}


def _improving(steps: Any, middle: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the steps, each better by ``key`` than all before it and than the middle."""
    best, kept = middle[key] or 0, []
    for step in steps:
        if step[key] is not None and step[key] > best:
            best = step[key]
            kept.append(step)
    return kept


def _step(tagger: Tagger, scored: ScoredSplit, goal: str) -> dict[str, Any]:
    limits = tagger.thresholds_for(goal)  # (L,)
    said = (scored.probabilities >= limits) & (scored.targets >= 0)  # (N, L)
    positive = scored.targets == 1
    hits = (said & positive).sum(axis=0)
    counts = (hits, said.sum(axis=0), positive.sum(axis=0))
    precision, recall = _shares(hits, counts[1]), _shares(hits, counts[2])
    totals = [np.array([count.sum()]) for count in counts]
    return {
        "goal": goal,
        "precision": _shares(totals[0], totals[1])[0],
        "recall": _shares(totals[0], totals[2])[0],
        "thresholds": limits.round(DIGITS).tolist(),
        "per_label": {"precision": precision, "recall": recall},
    }


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float | None]:
    return [
        round(p / w, 3) if w else None for p, w in zip(part.tolist(), whole.tolist(), strict=True)
    ]

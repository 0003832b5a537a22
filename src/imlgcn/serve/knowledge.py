"""What is known about a tagger, as JSON: labels, label graph, precision-recall trade-off.

What the tagger lacks is None: an exported file has neither held-out scores nor label graph.
Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.label_table import LabelTable
from imlgcn.labels.sparse import MANY_LABELS
from imlgcn.metrics.f1 import precision_recall_f1, predict_labels
from imlgcn.metrics.thresholds import ThresholdFit, parse_operating_point
from imlgcn.tagger import Tagger
from imlgcn.views.label_graph import DrawnGraph, GraphSummary, summarise_around, summarise_graph

DIGITS = 6  # of probabilities and thresholds
FRACTION_DIGITS = 4  # of precision and recall: hundredths of a percent
GRAPH_THRESHOLD = 0.4  # for a head without a label graph of its own
# from high recall to high precision; no step is worse than the best F1 in both
RECALLS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
PRECISIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
# of very many labels
FEW_RECALLS, FEW_PRECISIONS = (0.9, 0.75), (0.75, 0.9)  # each step has 100 kB of thresholds
MOST_SCORES = 2**23  # of evenly spread images: they are read and fitted when the server starts
MOST_EDGES = 300  # the strongest; those that are drawn come beside
MOST_ISOLATED = 60


def labels(tagger: Tagger) -> list[dict[str, Any]]:
    """Return each label with its threshold and the number of held-out images with it.

    What its row of the label table says stands there where it is not the default.
    """
    columns = (tagger.labels, tagger.thresholds, tagger.info.calibration.positives)
    return [
        {"label": name, "threshold": round(float(t), DIGITS), "positives": int(count)}
        | name_of(tagger.label_table, name)
        | ({} if row.show else {"show": False})
        | ({"parents": list(row.parents)} if row.parents else {})
        | ({"exclusive": row.exclusive} if row.exclusive else {})
        for row, name, t, count in zip(tagger.label_table.rows, *columns, strict=True)
    ]


def name_of(table: LabelTable, label: str) -> dict[str, str]:
    """Return what users read for a label, where it is not the label."""
    name = table.name_of(label)
    return {} if name == label else {"name": name}


def last_change(tagger: Tagger) -> str | None:
    """Return the change of labels that would be taken back; it loads torch."""
    from imlgcn.growing import changes

    found = changes(tagger.path)
    return found[-1].what if found else None


def graph(tagger: Tagger) -> dict[str, Any] | None:
    """Return the label graph with a position for each label that has an edge.

    Positions are in points from the upper left corner of a drawing of ``size``.
    """
    context = _context(tagger)
    if context is None:
        return None
    return _as_json(summarise_graph(context, _graph_threshold(tagger)), context)


def graph_around(tagger: Tagger, label: int) -> dict[str, Any] | None:
    """Return the graph of a label and those most often with it, as :func:`graph` does."""
    context = _context(tagger)
    if context is None:
        return None
    summary = summarise_around(context, label, _graph_threshold(tagger))
    return {**_as_json(summary, context), "around": tagger.labels[label]}


def _context(tagger: Tagger) -> LabelContext | None:
    context = None if tagger.path.is_file() else tagger.folder.context
    return context if context is not None and context.num_images else None


def _graph_threshold(tagger: Tagger) -> float:
    return float(tagger.info.head.options.get("threshold", GRAPH_THRESHOLD))


def _as_json(summary: GraphSummary, context: LabelContext) -> dict[str, Any]:
    drawn, many = summary.drawn, context.num_labels > MANY_LABELS
    shown = set(drawn.names) if drawn else set()
    edges = [
        rule
        for index, rule in enumerate(summary.rules)
        if not many or index < MOST_EDGES or {rule.source, rule.target} <= shown
    ]
    return {
        "threshold": summary.threshold,
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
            for rule in edges
        ],
        "isolated": summary.isolated[: MOST_ISOLATED if many else None],
        "num_edges": len(summary.rules),
        "num_linked": summary.num_linked,
        "num_isolated": len(summary.isolated),
    }


def _nodes(drawn: DrawnGraph, context: LabelContext) -> list[dict[str, Any]]:
    images = dict(zip(context.names, context.occurrences.tolist(), strict=True))
    drawn_nodes = zip(drawn.names, drawn.nodes, drawn.radii, drawn.names_below, strict=True)
    return [
        {
            "label": name,
            "x": round(float(x), 1),
            "y": round(drawn.size[1] - float(y), 1),
            "radius": round(float(radius), 1),
            "name_below": below,
            "images": images[name],
        }
        for name, (x, y), radius, below in drawn_nodes
    ]


def tradeoff(tagger: Tagger) -> dict[str, Any] | None:
    """Return thresholds from high recall to high precision, with what each reaches on test images.

    A step has the ``goal`` (operating point) that ``threshold=`` takes, one threshold per label,
    and precision and recall over all tags and of each label (null where undefined). Steps are
    fitted and selected on held-out images, those of validation or out of fold; ``split`` names the
    images they are evaluated on: ``val`` or ``out-of-fold`` where the run has no test images, and
    then the numbers are optimistic.
    """
    fitted, many = _scored(tagger, None), len(tagger.labels) > MANY_LABELS
    if fitted is None:
        return None
    thresholds = _fitter(tagger, fitted) if many else tagger.thresholds_for
    own = tagger.info.calibration.operating_point

    def step(scored: _Scored, goal: str) -> dict[str, Any]:
        limits = tagger.thresholds_for(own) if goal == own else thresholds(goal)
        return _step(scored, goal, limits, per_label=not many)

    middle = step(fitted, own)
    recalls, precisions = (FEW_RECALLS, FEW_PRECISIONS) if many else (RECALLS, PRECISIONS)
    by_recall = [step(fitted, f"recall={value}") for value in recalls]
    by_precision = [step(fitted, f"precision={value}") for value in precisions]
    steps = [*_improving(reversed(by_recall), middle, "recall")[::-1], middle]
    steps += _improving(by_precision, middle, "precision")
    evaluated = _scored(tagger, "test") or fitted
    return {
        "split": evaluated.split,
        "images": len(evaluated.targets),
        "positives": [] if many else (evaluated.targets == 1).sum(axis=0).tolist(),
        "default": steps.index(middle),
        "steps": [step(evaluated, each["goal"]) for each in steps],
    }


def _fitter(tagger: Tagger, fitted: _Scored) -> Callable[[str], NDArray[np.float64]]:
    """Return what fits thresholds to the scores at hand, which may be a sample of all."""
    fit = ThresholdFit(fitted.probabilities, fitted.targets)
    return lambda goal: tagger.label_table.thresholds(fit.thresholds(parse_operating_point(goal)))


class _Scored(NamedTuple):
    split: str
    probabilities: NDArray[np.float64]  # (N, L)
    targets: NDArray[np.int8]  # (N, L)


def _scored(tagger: Tagger, split: str | None) -> _Scored | None:
    """Return the scores of a split, or, for None, those that calibration was fitted on."""
    if tagger.path.is_file() or tagger.info.origin:
        return None
    if len(tagger.labels) > MANY_LABELS:
        scored = tagger.folder.scored(split, most=MOST_SCORES)
    else:
        scored = tagger.folder.scored(split)
    if scored is None:
        return None
    # from the logits, as in `imlgcn train`: the stored probabilities are rounded to float32
    return _Scored(scored.split, tagger.calibration.apply(scored.logits), scored.targets)


def _improving(
    steps: Iterable[dict[str, Any]], middle: dict[str, Any], key: str
) -> list[dict[str, Any]]:
    """Return the steps, each better by ``key`` than all before it and than the middle."""
    best, kept = middle[key] or 0, []
    for step in steps:
        if step[key] is not None and step[key] > best:
            best = step[key]
            kept.append(step)
    return kept


def _step(
    scored: _Scored, goal: str, thresholds: NDArray[np.float64], *, per_label: bool
) -> dict[str, Any]:
    counts = precision_recall_f1(predict_labels(scored.probabilities, thresholds), scored.targets)
    true_positives, predicted, positives = (
        np.append(count, count.sum())
        for count in (counts.true_positives, counts.predicted, counts.positives)
    )  # (L + 1,), all labels together last
    *precision, precision_of_all = _fractions(true_positives, predicted)
    *recall, recall_of_all = _fractions(true_positives, positives)
    return {
        "goal": goal,
        "precision": precision_of_all,
        "recall": recall_of_all,
        "thresholds": thresholds.round(DIGITS).tolist(),
        "per_label": {"precision": precision, "recall": recall} if per_label else None,
    }


def _fractions(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float | None]:
    pairs = zip(part.tolist(), whole.tolist(), strict=True)
    return [round(p / w, FRACTION_DIGITS) if w else None for p, w in pairs]

"""What the report says about labels together: graph, co-occurrence, plane, context check."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from imlgcn import views as figures
from imlgcn.labels.graph import conditional_probability
from imlgcn.numbers import number, percent, plural
from imlgcn.report.run import RunFolder
from imlgcn.views.context_check import Pair, check_context, context_verdict
from imlgcn.views.cooccurrence import ordered_cooccurrence
from imlgcn.views.label_graph import GraphSummary, summarise_graph
from imlgcn.views.plane import label_plane, listed_labels, neighbours
from imlgcn.views.svg import inline_svg

MOST_RULES = 24
MOST_PAIRS = 24  # rows of the context figure
DEFAULT_THRESHOLD = 0.4  # of the label graph, for a head that has none
NEIGHBOURS = 3  # in the table of nearest labels


def label_graph(run: RunFolder) -> dict[str, Any] | None:
    """The co-occurrence graph of the training labels: drawing, rules, labels without an edge."""
    if not _counted(run):
        return None
    assert run.context is not None
    threshold = float(run.info.head.options.get("threshold", DEFAULT_THRESHOLD))
    graph = summarise_graph(run.context, threshold)
    occurrences = dict(zip(run.context.names, run.context.occurrences.tolist(), strict=True))
    return {
        "graph": graph,
        "num_images": run.context.num_images,
        "rules": [(rule, occurrences[rule.source]) for rule in graph.rules[:MOST_RULES]],
        "isolated": [(name, occurrences[name]) for name in graph.isolated],
        "use": _graph_use(run),
        "has_threshold": "threshold" in run.info.head.options,
        "figure": _graph_figure(graph),
    }


def cooccurrence(run: RunFolder) -> dict[str, Any] | None:
    """The heat map of P(j|i), for two labels or more."""
    if not _counted(run):
        return None
    assert run.context is not None
    matrix = ordered_cooccurrence(run.context)
    n = len(matrix.names)
    if n < 2:
        return None
    strong = int((matrix.conditional >= DEFAULT_THRESHOLD).sum())
    some = int((matrix.conditional > 0).sum())
    description = (
        f"Heat map of P(column | row) for {plural(n, 'label')}. {number(some, 0)} of "
        f"{plural(n * (n - 1), 'pair')} "
        f"occur together at least once, {number(strong, 0)} with a probability of "
        f"{DEFAULT_THRESHOLD:g} or "
        "more. The strongest are in the list of rules above."
    )
    figure = inline_svg(figures.heat_map_figure(matrix), "heatmap", description)
    return {"figure": figure, "shown": n, "all": run.context.num_labels}


def plane(run: RunFolder) -> dict[str, Any] | None:
    """The label vectors in the plane and, in words, the nearest neighbours."""
    if run.vectors is None or len(run.info.labels) < 3:
        return None
    names, values = tuple(run.info.labels), run.vectors.values
    counted = run.context is not None and run.context.num_images > 0
    occurrences = run.context.occurrences if run.context and counted else np.ones(len(names), int)
    drawn = label_plane(names, values, occurrences)
    frequent = listed_labels(occurrences)
    nearest = neighbours(values, min(NEIGHBOURS, len(names) - 1), frequent)
    near_of = dict(zip([names[i] for i in frequent], nearest.tolist(), strict=True))
    listed = [(name, [names[j] for j in near_of[name]]) for name in sorted(near_of)]
    examples = "; ".join(f"{name}: {near[0]}" for name, near in listed[:5])
    description = (
        f"{plural(len(names), 'label')} in the plane of the first two principal components, which "
        f"explain {percent(drawn.explained)} of the variance. Nearest neighbours, for "
        f"example: {examples}. {'All' if len(listed) == len(names) else 'More'} are in the list "
        "below the figure."
    )
    return {
        "figure": inline_svg(figures.plane_figure(drawn), "plane", description),
        "what": run.vectors.what,
        "explained": drawn.explained,
        "named": len(drawn.named),
        "drawn": len(drawn.drawn),
        "nearest": listed,
    }


def context_check(run: RunFolder) -> dict[str, Any] | None:
    """Average precision with and without a label's context."""
    if run.scored is None or not _counted(run):
        return None
    assert run.context is not None
    found = check_context(run.scored, run.context)
    sentence = context_verdict(found)
    figure = None
    if found.pairs:
        rows = "; ".join(_pair_words(pair) for pair in found.pairs[:6])
        figure = inline_svg(
            figures.context_figure(found.pairs[:MOST_PAIRS]), "context", f"{sentence} {rows}."
        )
    return {"check": found, "verdict": sentence, "figure": figure, "drawn": MOST_PAIRS}


def _pair_words(pair: Pair) -> str:
    return (
        f"{pair.label} with {pair.context} {number(pair.together.tagger)}, without "
        f"{number(pair.apart.tagger)}"
    )


def _counted(run: RunFolder) -> bool:
    """Whether training images were counted: an imported checkpoint knows only names."""
    return run.context is not None and run.context.num_images > 0


def _graph_use(run: RunFolder) -> str:
    kind, head = run.info.head.options.get("graph"), run.info.head.name
    if kind == "cooccurrence":
        return f"The head {head} was built from this graph."
    if kind == "adaptive":
        return f"The head {head} was built from this graph and learned edges beside it."
    if kind is not None:
        return f"The head {head} was built with graph={kind}, so it does not use these edges."
    if run.graph is not None:
        edges = "all P(j|i), however small" if _is_whole(run) else "edges of its own"
        return f"The head {head} was built from {edges}, not only these arrows."
    return f"The head {head} uses no graph; this one describes the data."


def _is_whole(run: RunFolder) -> bool:
    """Whether the head's graph has an edge wherever two labels occur together."""
    assert run.context is not None
    assert run.graph is not None
    edges = run.graph != 0
    if edges.shape != (run.context.num_labels,) * 2:
        return False
    together = conditional_probability(run.context.pair_counts, run.context.occurrences) > 0
    np.fill_diagonal(edges, val=False)  # a label and itself: some heads keep it
    return np.array_equal(edges, together)


def _graph_figure(graph: GraphSummary) -> Markup | None:
    if graph.drawn is None:
        return None
    strongest = "; ".join(str(rule) for rule in graph.rules[:5])
    description = (
        f"Label graph with {plural(len(graph.drawn.names), 'label')} and "
        f"{plural(len(graph.drawn.edges), 'arrow')}. Strongest: {strongest}. "
        "More are in the table of rules."
    )
    return inline_svg(figures.graph_figure(graph.drawn), "graph", description)

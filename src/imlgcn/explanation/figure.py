"""The figure of an explanation, for files and notebooks.

A matplotlib ``Figure`` drawn without pyplot. Columns: the image over the scores, then for each
explained label its map over what its neighbours, or the training images, add to its score.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.explanation.explanation import Explanation, GraphEffect, LabelExplanation, Neighbour
from imlgcn.explanation.heat_map import HALF, VIRIDIS, heat, tint
from imlgcn.explanation.sheet import (
    AGAINST,
    FOR,
    GAP,
    INK,
    LARGE,
    LINE,
    MUTED,
    NORMAL,
    QUIET,
    ROW,
    SMALL,
    TILE,
    Sheet,
    plain,
)
from imlgcn.explanation.support_figure import draw_support, support_height
from imlgcn.explanation.words import describe, logit_in_words, margin_in_words, sum_of_score
from imlgcn.files import atomic_path
from imlgcn.numbers import percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = 1.0
TITLE, BETWEEN, LEGEND = 1.15, 1.0, 0.55
BARS, NEIGHBOURS = 9, 5
LEAST = 0.005  # logits: below, a bar is no bar
FINE = 700  # pixels of the longer side that a tile is drawn with
LONGEST = 24  # letters of a name
DPI = 150


def explanation_figure(explanation: Explanation, image: Image.Image) -> Figure:
    """Draw an explanation of ``image``, the one it was made of (in its own size or smaller)."""
    labels = explanation.labels
    columns = [GAP + NAMES + (TILE + GAP) * number for number in range(len(labels) + 1)]
    tall = float(np.clip(TILE * image.height / image.width, 1.0, 3.4))
    rows = max(ROW * max(BARS, len(labels)), support_height(labels))
    top, lower = TITLE, TITLE + tall + BETWEEN
    sheet = Sheet(columns[-1] + TILE + GAP, lower + rows + LEGEND + 0.15)
    fine = _enlarged(image)
    _header(sheet, explanation)
    _picture(sheet.axes(GAP, top, NAMES + TILE, tall), np.asarray(fine))
    has_graph = explanation.without_graph is not None
    has_below = has_graph or any(label.support for label in labels)
    wide = TILE if has_below else columns[-1] + TILE - columns[0]
    tall_bars = ROW * max(BARS, len(labels))
    _scores(sheet.axes(columns[0], lower, wide - 0.35, tall_bars), explanation, 0.05 / wide)
    sheet.text(GAP, lower - 0.32, "Scores", weight="bold")
    effects = [n.effect for x in labels if x.graph for n in _visible(x.graph)]
    reach = (min([0.0, *effects]), max([0.0, *effects]))
    for left, label in zip(columns[1:], labels, strict=True):
        strengths = heat(label.map, fine.size, explanation.region, explanation.kind)
        axes = sheet.axes(left, top, TILE, tall)
        _picture(axes, tint(fine, strengths))
        if strengths.max() > HALF:
            axes.contour(strengths, [HALF], colors=[INK], linewidths=1.1)
        _label_text(sheet, left, label, tall)
        if label.graph is not None:
            _neighbours(sheet, (left, lower), label, reach)
        if label.support is not None:
            draw_support(sheet, (left, lower), label.support)
    _legend(sheet, explanation, top=lower + rows + 0.3)
    return sheet.figure


def _enlarged(image: Image.Image) -> Image.Image:
    """Return the image large enough for a smooth map and small enough for a small file."""
    scale = FINE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _header(sheet: Sheet, explanation: Explanation) -> None:
    tags = int((explanation.probabilities >= explanation.thresholds).sum())
    count = plural(tags, "tag") if tags else "no tag"
    sheet.text(GAP, 0.2, plain(explanation.image, 70), LARGE, weight="bold")
    sheet.text(GAP, 0.48, f"{count} from {explanation.head}", SMALL, color=MUTED)


def _picture(axes: Axes, pixels: NDArray[np.uint8]) -> None:
    axes.imshow(pixels, interpolation="antialiased")
    axes.set(xticks=[], yticks=[], anchor="NW")
    for spine in axes.spines.values():
        spine.set(visible=True, color=LINE, linewidth=0.8)


def _label_text(sheet: Sheet, left: float, label: LabelExplanation, tall: float) -> None:
    """Write a label's name and score over its tile, and the parts of the score below."""
    tag = "tag" if label.is_tag else "below its threshold"
    sheet.text(left, TITLE - 0.47, plain(label.label, LONGEST), NORMAL + 1.5, weight="bold")
    score = f"{percent(label.probability)}, threshold {percent(label.threshold)}: {tag}"
    sheet.text(left, TITLE - 0.22, score, SMALL, color=FOR if label.is_tag else MUTED)
    parts = "" if label.support else sum_of_score(label)  # these stand in a section of their own
    sheet.text(left, TITLE + tall + 0.07, parts, SMALL, color=MUTED)
    sheet.text(left, TITLE + tall + 0.24, margin_in_words(label), SMALL, color=MUTED)


def _scores(axes: Axes, explanation: Explanation, space: float) -> None:
    """Draw bars of the most probable labels and of all explained ones, with their thresholds.

    ``space`` is left between the axes and the numbers beside them.
    """
    explained = {label.label for label in explanation.labels}
    order = np.argsort(-explanation.probabilities, kind="stable")
    rest = [i for i in order if explanation.names[i] not in explained]
    kept = {*rest[: max(BARS - len(explained), 0)]}
    shown = [i for i in order if i in kept or explanation.names[i] in explained]
    axes.set(xlim=(0, 1), ylim=(max(BARS, len(shown)) - 0.5, -0.5))
    for row, index in enumerate(shown):
        score, threshold = explanation.probabilities[index], explanation.thresholds[index]
        colour = FOR if score >= threshold else QUIET
        axes.barh(row, score, height=0.62, color=colour)
        axes.plot([threshold] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=1.6)
        if explanation.without_graph is not None:
            alone = explanation.without_graph[index]
            axes.plot(alone, row, "D", mec=INK, mfc="white", ms=4.2, mew=0.9, clip_on=False)
        axes.text(1 + space, row, percent(score), va="center", fontsize=SMALL, color=MUTED)
    axes.set_yticks(
        range(len(shown)), [plain(explanation.names[i], 16) for i in shown], parse_math=False
    )
    for tick, index in zip(axes.get_yticklabels(), shown, strict=True):
        tick.set(
            color=INK if explanation.names[index] in explained else MUTED, fontsize=SMALL + 0.5
        )
    axes.set_xticks([0, 0.5, 1], ["0", "50", "100 %"])
    axes.axvline(0, color=QUIET, linewidth=0.8)


def _neighbours(
    sheet: Sheet, corner: tuple[float, float], label: LabelExplanation, reach: tuple[float, float]
) -> None:
    """Draw the neighbours' contributions as signed bars, all labels on one scale."""
    graph = label.graph
    assert graph is not None
    left, top = corner
    sheet.text(left, top - 0.32, "Through the label graph", weight="bold")
    cut = "decrease of the logit without the edge"
    own = cut if graph.own is None else f"its own node {logit_in_words(graph.own)}"
    sheet.text(left, top - 0.08, own, SMALL, color=MUTED)
    shown = _visible(graph)
    axes = sheet.axes(left + NAMES, top + 0.12, TILE - NAMES - 0.2, ROW * NEIGHBOURS)
    low, high = reach
    wide = max(high - low, 0.05)  # a number stands at the end of each bar
    axes.set(ylim=(NEIGHBOURS - 0.5, -0.5), xticks=[])
    axes.set_xlim(low - 0.5 * wide if low else 0, high + 0.5 * wide if high else 0.02 * wide)
    axes.set_yticks(range(len(shown)), [plain(n.label, 14) for n in shown], parse_math=False)
    for row, neighbour in enumerate(shown):
        effect = neighbour.effect
        axes.barh(row, effect, height=0.6, color=FOR if effect > 0 else AGAINST)
        side = {"ha": "left" if effect > 0 else "right", "va": "center", "color": MUTED}
        shift = 0.03 * wide if effect > 0 else -0.03 * wide
        axes.text(effect + shift, row, logit_in_words(effect), fontsize=SMALL, **side)  # type: ignore[arg-type]
    if shown:
        axes.plot([0, 0], [-0.5, len(shown) - 0.5], color=INK, linewidth=0.8)
    more = len(graph.neighbours) - len(shown)
    below = top + 0.16 + ROW * len(shown)
    if more > 0 or not shown:
        sheet.text(
            left, below, f"and {more} more" if shown else "no neighbours", SMALL, color=MUTED
        )
        below += 0.2
    change = f"{percent(label.probability)} with it, {percent(graph.probability)} without"
    sheet.text(left, below + 0.04, change, SMALL)


def _visible(graph: GraphEffect) -> list[Neighbour]:
    """Return the neighbours that get a bar: the strongest, without those too small to see."""
    return [n for n in graph.neighbours if abs(n.effect) >= LEAST][:NEIGHBOURS]


def _legend(sheet: Sheet, explanation: Explanation, top: float) -> None:
    """Explain marks and colours in one line at the bottom."""
    marks = "Bars: probability; black line: threshold"
    if explanation.without_graph is not None:
        marks += "; diamond: without the graph"
    sheet.text(GAP, top + 0.1, marks, SMALL, color=MUTED)
    meaning = {
        "score": "what a position adds to the score",
        "winner": "what the positions that won the maximum add to the score",
        "attention": "attention above the uniform one",
        "occlusion": "fall of the score without a position",
    }[explanation.kind]
    left = GAP + NAMES + TILE + GAP + 0.15
    ramp = sheet.axes(left, top + 0.12, 0.9, 0.11)
    ramp.imshow(VIRIDIS[None].astype(np.uint8), aspect="auto", interpolation="bilinear")
    ramp.set(xticks=[], yticks=[])
    meaning += ", weak to strong; outline: half of the strongest"
    sheet.text(left + 1.0, top + 0.1, meaning, SMALL, color=MUTED)


def save_figure(figure: Figure, explanation: Explanation, path: Path) -> None:
    """Write the figure (PNG, SVG or PDF, by the suffix), with the explanation in words inside."""
    words = " ".join(describe(explanation, label) for label in explanation.labels)
    keys = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        metadata = {"Title": f"Why: {explanation.image}", keys[suffix]: words}
        figure.savefig(temporary, format=suffix[1:], dpi=DPI, metadata=metadata)

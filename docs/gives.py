"""Draw the home page's figure from a demo run: what a tagger says of one test image.

python docs/gives.py runs/demo docs/images

writes gives-light.webp and gives-dark.webp: the tags with their thresholds, where two of them are
seen, and the part of the label graph that they belong to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.explanation.heat_map import overlay
from imlgcn.labels.graph import strongest_rules
from imlgcn.tagger import Tagger, load_classifier

SHOWN_IMAGE = "images/plants__flowers__flowers_jonathan_dietric_01.jpg"  # of the test split
SHOWN = 4  # labels with a bar
THRESHOLD = 0.3  # of the edges drawn
THEMES = {
    "light": {"ink": "#1f2733", "soft": "#6b7686", "tag": "#2f6db3", "rest": "#c3cad4"},
    "dark": {"ink": "#e8ecf2", "soft": "#a3aebd", "tag": "#7fb3ea", "rest": "#4a5566"},
}
PLACES = {
    "flower": (0.0, 0.95),
    "plant": (0.85, 0.5),
    "tree": (0.0, 0.0),
    "food": (1.9, 0.2),
    "fruit": (2.35, 0.95),
}


def main(run: str, out: str) -> None:
    """Score the image once, then draw it for each theme."""
    tagger = Tagger.load(run)
    test = load_dataset("openclipart").split("test")
    path = next(r.path for r in test.records if r.name == SHOWN_IMAGE)
    with Image.open(path) as file:
        image = file.convert("RGB")
    pixels = tagger.load_input(path)[None]
    scores = tagger.probabilities(pixels)[0]
    maps = tagger.maps(pixels, sizes=[image.size])
    _, context = load_classifier(Path(run))
    rules = strongest_rules(
        context.names, context.pair_counts, context.occurrences, threshold=THRESHOLD
    )
    for name, theme in THEMES.items():
        figure = draw(tagger, image, scores, maps, rules, theme)
        file = Path(out) / f"gives-{name}.webp"
        figure.savefig(file, dpi=160, transparent=True, pil_kwargs={"quality": 88})


def draw(tagger, image, scores, maps, rules, theme) -> Figure:
    """Return the figure in the colours of a theme."""
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    picture, bars, first, second, graph = figure.subplots(1, 5, width_ratios=(1, 1.3, 1, 1, 1.5))
    best = np.argsort(-scores)[:SHOWN]
    picture.imshow(image)
    title(picture, "an image", theme)
    draw_bars(bars, tagger, scores, best[::-1], theme)
    for axes, label in zip((first, second), best, strict=False):
        axes.imshow(overlay(image, maps.maps[0][label], maps.regions[0], maps.kind))
        title(axes, f"where: {tagger.labels[label]}", theme)
    draw_graph(graph, rules, {tagger.labels[i] for i in best[:2]}, theme)
    return figure


def title(axes, text, theme) -> None:
    """Write what a part shows below it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(text, color=theme["soft"], fontsize=11, labelpad=8)


def draw_bars(axes, tagger, scores, chosen, theme) -> None:
    """Draw probabilities with each label's own threshold."""
    for place, label in enumerate(chosen):
        said = scores[label] >= tagger.thresholds[label]
        color = theme["tag" if said else "rest"]
        axes.barh(place, scores[label], color=color, height=0.34)
        line = [tagger.thresholds[label]] * 2
        axes.plot(line, [place - 0.26, place + 0.26], color=theme["ink"], lw=1.4)
        text = f"{tagger.labels[label]}  {scores[label]:.0%}"
        weight = "bold" if said else "normal"
        axes.text(0, place + 0.32, text, color=theme["ink"], fontsize=11, weight=weight)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.5, len(chosen) - 0.1)
    title(axes, "tags, and each label's threshold", theme)


def draw_graph(axes, rules, tags, theme) -> None:
    """Draw the labels of PLACES with the edges between them, the tags lit."""
    for rule in rules:
        if rule.source in PLACES and rule.target in PLACES:
            axes.annotate(
                "",
                PLACES[rule.target],
                PLACES[rule.source],
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": theme["soft"],
                    "lw": 0.8 + 2 * rule.probability,
                    "shrinkA": 16,
                    "shrinkB": 16,
                    "connectionstyle": "arc3,rad=0.16",
                },
            )
    for name, (x, y) in PLACES.items():
        lit = name in tags
        axes.scatter(x, y, s=130, color=theme["tag" if lit else "rest"], zorder=3)
        style = {"color": theme["ink"], "fontsize": 11, "weight": "bold" if lit else "normal"}
        offset = (12, 0) if x > 0 else (0, 12) if y > 0 else (0, -24)
        align = {"ha": "left", "va": "center"} if x > 0 else {"ha": "center", "va": "bottom"}
        axes.annotate(name, (x, y), offset, textcoords="offset points", **align, **style)
    axes.set_xlim(-0.5, 3.1)
    axes.set_ylim(-0.35, 1.3)
    title(axes, "which labels go together", theme)


if __name__ == "__main__":
    main(*sys.argv[1:])

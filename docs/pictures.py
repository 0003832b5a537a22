"""Draw the README's picture from a demo run: six test images with what the tagger says.

python docs/pictures.py runs/demo docs/images/demo.png
"""

from __future__ import annotations

import sys

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.tagger import Tagger

RIGHT, WRONG, OTHER = "#0072B2", "#D55E00", "#BBBBBB"
SHOWN = 6  # of the test images with two labels or more, evenly spaced


def main(run: str, out: str) -> None:
    """Tag six images and draw them with a bar for each of their four most probable labels."""
    tagger = Tagger.load(run)
    test = load_dataset("openclipart").split("test")
    figure = Figure(figsize=(11, 5.4), layout="constrained", dpi=110)
    parts = figure.subfigures(2, 3, wspace=0.03, hspace=0.04).ravel()
    several = np.flatnonzero((test.targets == 1).sum(axis=1) > 1)
    rows = several[np.linspace(0, len(several) - 1, SHOWN + 2).astype(int)[1:-1]]
    for part, row in zip(parts, rows, strict=True):
        picture, bars = part.subplots(1, 2, width_ratios=(1, 1.25))
        with Image.open(test.paths[row]) as image:
            picture.imshow(image.convert("RGB"))
        picture.axis("off")
        scores = tagger.probabilities(tagger.load_input(test.paths[row])[None])[0]
        best = np.argsort(-scores)[:4][::-1]
        truth = test.targets[row] == 1
        for place, label in enumerate(best):
            said = scores[label] >= tagger.thresholds[label]
            color = (RIGHT if truth[label] else WRONG) if said else OTHER
            bars.barh(place, scores[label], color=color, height=0.62)
            bars.plot([tagger.thresholds[label]] * 2, [place - 0.38, place + 0.38], "k", lw=1.2)
        names = [f"{tagger.labels[i]}{' ✓' if truth[i] else ''}" for i in best]
        bars.set_yticks(range(len(best)), names, fontsize=9)
        bars.set_xlim(0, 1)
        bars.set_xticks([0, 0.5, 1], ["0", "", "100 %"], fontsize=8, color="#555555")
        bars.spines[["top", "right", "left"]].set_visible(False)
        bars.tick_params(length=0)
    figure.savefig(out, facecolor="white")


if __name__ == "__main__":
    main(*sys.argv[1:])

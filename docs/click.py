"""Draw from a demo run what one click does: probabilities before and after one tag is revealed.

python docs/click.py runs/demo docs/images

writes click.webp. Three images are chosen by a rule: each true tag of each test image with two
labels or more is revealed, one at a time; the gain is that in the average precision of the image's
other labels. Of the cases with something to gain, sorted by gain and then by name, those at the
quartiles are drawn. What all cases come to is printed. Shapes: C cases, L labels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.metrics.ranking import micro_average_precision
from imlgcn.numbers import percent
from imlgcn.palette import LIGHT
from imlgcn.tagger import Tagger

QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
SHOWN = 4  # labels beside the revealed one: the true ones, then the most probable
WORTH_SAYING = 0.3  # logits, as on the page
OTHER = "#9aa3ad"  # below the threshold
PALE = 0.28
# in hundredths of an inch, from the upper left corner
WIDTH, HEAD, TOP, ROW, PANEL = 860, 20, 42, 25, 158
IMAGE, NAME, BAR, BAR_END, AFTER, WHY = (14, 132), 236, 244, 474, 562, 582


class Case(NamedTuple):
    """One true tag of one test image, and what revealing it does."""

    image: str
    revealed: int
    truth: np.ndarray  # (L,) bool
    before: np.ndarray  # (L,) probabilities
    after: np.ndarray
    effects: np.ndarray  # (L,) logits that the revealed tag adds

    @property
    def rest(self):
        """All labels but the revealed one, (L,) bool."""
        return np.arange(len(self.truth)) != self.revealed

    @property
    def perfect(self) -> bool:
        """Whether the other true labels are in front already."""
        return self.precision(self.before) == 1

    @property
    def gain(self) -> float:
        """The gain in average precision, rounded: equal gains are equal."""
        return round(self.precision(self.after) - self.precision(self.before), 9)

    def precision(self, scores) -> float:
        """Return the average precision of the other labels, ranked within the image."""
        return micro_average_precision(scores[None, self.rest], self.truth[None, self.rest])


def main(run: str, out: str) -> None:
    """Reveal each tag once, print what comes of it, and draw three of the cases."""
    tagger = Tagger.load(run)
    cases = make_cases(tagger)
    print(summary(cases, tagger.thresholds))
    paths = {record.name: record.path for record in load_dataset("openclipart").records}
    open_to_gain = sorted((case for case in cases if not case.perfect), key=by_gain)
    last = len(open_to_gain) - 1
    figure, canvas = new_canvas(len(QUARTILES))
    for place, (name, quartile) in enumerate(QUARTILES.items()):
        case = open_to_gain[round(quartile * last)]
        print(
            f"{name}: {case.image}, {tagger.labels[case.revealed]}, {100 * case.gain:+.0f} points"
        )
        top = TOP + PANEL * place
        draw_image(figure, canvas, paths[case.image], name, top)
        draw_rows(canvas, case, tagger, top)
        if place:
            canvas.plot([IMAGE[0], WIDTH - 14], [top - 14] * 2, color=LIGHT["line"], lw=0.8)
    figure.savefig(Path(out) / "click.webp", dpi=200, pil_kwargs={"quality": 90})


def make_cases(tagger: Tagger) -> list[Case]:
    """Return a case for each true tag of each test image with two labels or more."""
    scored = tagger.folder.scored("test")
    logits = tagger.calibration.logits(scored.logits)
    before = tagger.calibration.apply(scored.logits)
    update = tagger.known_update
    cases = []
    for row in np.flatnonzero((scored.targets == 1).sum(axis=1) > 1):
        truth = scored.targets[row] == 1
        for revealed in np.flatnonzero(truth):
            known = np.full((1, len(truth)), -1, np.int8)
            known[0, revealed] = 1
            case = Case(
                scored.images[row],
                revealed,
                truth,
                before[row],
                update.probabilities(logits[[row]], known)[0],
                update.labels.beta * update.labels.evidence(logits[[row]], known, revealed)[0],
            )
            cases.append(case)
    return cases


def by_gain(case: Case):
    """Return what cases are sorted by."""
    return case.gain, case.image, case.revealed


def summary(cases: list[Case], thresholds) -> str:
    """Return what all cases have in common, in words."""
    gains = np.array([case.gain for case in cases])
    rest = np.stack([case.rest for case in cases])  # (C, L)
    truth = np.stack([case.truth for case in cases]) & rest
    wrong = ~truth & rest
    before = np.stack([case.before for case in cases]) >= thresholds
    after = np.stack([case.after for case in cases]) >= thresholds
    return (
        f"{len(cases)} cases, {sum(not case.perfect for case in cases)} with something to gain: "
        f"order better in {(gains > 0).sum()}, worse in {(gains < 0).sum()}\n"
        f"wrong tags: {(before & wrong).sum()} -> {(after & wrong).sum()}; "
        f"right tags: {(before & truth).sum()} -> {(after & truth).sum()}, "
        f"{(~before & after & truth).sum()} found and {(before & ~after & truth).sum()} lost"
    )


def new_canvas(panels: int):
    """Return a figure, and axes over all of it, with headings and the scale of the bars."""
    height = TOP + PANEL * panels - 10
    figure = Figure(figsize=(WIDTH / 100, height / 100), facecolor=LIGHT["surface"])
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set_xlim(0, WIDTH)
    canvas.set_ylim(height, 0)
    canvas.axis("off")
    draw_key(canvas)
    write(canvas, WHY, HEAD, "why: training images that show it", color=LIGHT["muted"])
    return figure, canvas


def draw_key(canvas) -> None:
    """Say above the bars what is pale, what is solid, and what the line is."""
    key = {"before": (15, PALE), "after the click": (7, 1.0)}
    x = BAR
    for text, (height, alpha) in key.items():
        square = Rectangle((x, HEAD - height / 2), 18, height, lw=0)
        square.set(color=LIGHT["tagger"], alpha=alpha)
        canvas.add_patch(square)
        write(canvas, x + 24, HEAD, text, color=LIGHT["muted"])
        x += 86
    x += 54
    canvas.plot([x, x], [HEAD - 9.5, HEAD + 9.5], color=LIGHT["ink"], lw=1.2)
    write(canvas, x + 7, HEAD, "threshold", color=LIGHT["muted"])


def draw_image(figure, canvas, path, name, top) -> None:
    """Draw the image with its place among all cases below it."""
    left, right = IMAGE
    side = right - left
    height = canvas.get_ylim()[0]
    box = (left / WIDTH, 1 - (top + side) / height, side / WIDTH, side / height)
    axes = figure.add_axes(box)
    with Image.open(path) as image:
        axes.imshow(image.convert("RGB"), interpolation="lanczos")
    axes.axis("off")
    write(canvas, (left + right) / 2, top + side + 9, name, ha="center", color=LIGHT["muted"])


def draw_rows(canvas, case: Case, tagger: Tagger, top: float) -> None:
    """Draw the revealed tag, then other labels by their probability after the click."""
    rest = np.flatnonzero(case.rest)
    most = np.maximum(case.before, case.after)
    shown = sorted(rest, key=lambda label: (not case.truth[label], -most[label]))[:SHOWN]
    shown.sort(key=lambda label: -case.after[label])
    for place, label in enumerate([case.revealed, *shown]):
        draw_row(canvas, case, tagger, label, top + ROW * (place + 0.5))


def draw_row(canvas, case: Case, tagger: Tagger, label: int, y: float) -> None:
    """Draw a label's name, its bars, its probabilities, and why they differ."""
    threshold = tagger.thresholds[label]
    name = tagger.labels[label]
    clicked = label == case.revealed
    before, after = case.before[label], 1.0 if clicked else case.after[label]
    said = after >= threshold
    style = {"weight": "bold"} if said else {}
    write(canvas, NAME, y, f"{name} ✓" if case.truth[label] else name, ha="right", **style)
    for value, height, alpha in ((before, 15, PALE), (after, 7, 1.0)):
        right = LIGHT["third"] if clicked and alpha == 1 else LIGHT["tagger"]
        color = (right if case.truth[label] else LIGHT["control"]) if value >= threshold else OTHER
        bar(canvas, y, value, height, color=color, alpha=alpha)
    x = BAR + threshold * (BAR_END - BAR)
    canvas.plot([x, x], [y - 9.5, y + 9.5], color=LIGHT["ink"], lw=1.2)
    text = f"{percent(before)} → "
    write(canvas, AFTER, y, text + ("yes" if clicked else percent(after)), ha="right", **style)
    if clicked:
        write(canvas, WHY, y, f"one click: {name}", color=LIGHT["third"], weight="bold")
    elif abs(case.effects[label]) >= WORTH_SAYING:
        draw_reason(canvas, case, tagger, label, y)


def draw_reason(canvas, case: Case, tagger: Tagger, label: int, y: float) -> None:
    """Write how often the label is shown with the revealed one, and how often without it."""
    counts, j = tagger.known_update.counts, case.revealed
    both, with_it = counts.both[j, label], counts.shown[label, j]
    without = (counts.shown[j, label] - both) / (counts.known[j, label] - with_it)
    raises = case.effects[label] > 0
    color = LIGHT["tagger"] if raises else LIGHT["control-text"]
    write(canvas, WHY, y, "▲" if raises else "▼", color=color)
    text = f"{percent(both / with_it)} with {tagger.labels[j]}, {percent(without)} of the others"
    write(canvas, WHY + 17, y, text)


def bar(canvas, y, value, height, **style) -> None:
    """Draw a bar from 0 to a probability."""
    width = value * (BAR_END - BAR)
    canvas.add_patch(Rectangle((BAR, y - height / 2), width, height, lw=0, **style))


def write(canvas, x, y, text, **style) -> None:
    """Write a line that is centred on y."""
    canvas.text(x, y, text, **{"va": "center", "fontsize": 9, "color": LIGHT["ink"], **style})


if __name__ == "__main__":
    main(*sys.argv[1:])

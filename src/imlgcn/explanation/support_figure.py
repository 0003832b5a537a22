"""The part of an explanation's figure with the training images: an account that ends in the score.

One line for each image that is named, or its picture where the tagger keeps one, then the sum of
all others, the bias, and the score. The numbers shown add up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ImageOps

from imlgcn.data.images import ImageError, open_image
from imlgcn.explanation.explanation import LabelExplanation
from imlgcn.explanation.sheet import (
    AGAINST,
    FOR,
    INK,
    LINE,
    MUTED,
    QUIET,
    ROW,
    SMALL,
    TILE,
    Sheet,
)
from imlgcn.explanation.support import Ledger, SupportEffect, SupportImage
from imlgcn.explanation.words import image_name, logit_in_words
from imlgcn.numbers import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST = 0.14  # inches from the top of the section to its first line
NUMBER, BAR, NAME = 0.40, 0.50, 1.08  # right edge of numbers, left edges of bars and names
LONGEST_BAR = 0.48
BETWEEN = 0.08
PICTURE, APART = 0.57, 0.09
LETTERS, IN_A_SQUARE = 24, 30  # of a name on a line, and on three in place of a picture
TINY = 5.5  # points
TOTAL = 3  # lines: the others, the bias, the score


def support_height(labels: Sequence[LabelExplanation]) -> float:
    """Return the inches that the section needs; 0 where no label has one."""
    found = [label.support for label in labels if label.support is not None]
    return max((_height(support) for support in found), default=0.0)


def draw_support(sheet: Sheet, corner: tuple[float, float], support: SupportEffect) -> None:
    """Draw the section of one label with its upper left corner there."""
    left, top = corner
    sheet.text(left, top - 0.32, "Training images", weight="bold")
    sheet.text(left, top - 0.08, "what each adds to the score", SMALL, color=MUTED)
    ledger = Ledger.of(support)
    numbers = dict(zip(support.shown, ledger.shown, strict=True))
    longest = max((abs(image.effect) for image in support.shown), default=1.0)
    draw = _pictures if _has_pictures(support) else _lines
    below = top + FIRST
    for side, colour in ((support.speaks_for, FOR), (support.speaks_against, AGAINST)):
        if side:
            below = draw(sheet, (left, below), {x: numbers[x] for x in side}, colour, longest)
    _rule(sheet, left, below - BETWEEN / 2)
    _line(sheet, (left, below), ledger.rest, plural(support.others, "other"))
    _line(sheet, (left, below + ROW), ledger.bias, "bias: the score without images")
    _rule(sheet, left, below + 2 * ROW)
    _line(sheet, (left, below + 2 * ROW + 0.04), ledger.score, "score", bold=True)


def _height(support: SupportEffect) -> float:
    sides = [len(side) for side in (support.speaks_for, support.speaks_against) if side]
    if _has_pictures(support):
        images = len(sides) * (PICTURE + ROW + BETWEEN)
    else:
        images = sum(sides) * ROW + len(sides) * BETWEEN
    return FIRST + images + TOTAL * ROW


def _has_pictures(support: SupportEffect) -> bool:
    return any(image.thumbnail for image in support.shown)


Numbers = dict[SupportImage, float]


def _lines(
    sheet: Sheet, corner: tuple[float, float], images: Numbers, colour: str, longest: float
) -> float:
    """Draw a line for each image: number, bar, name; return where the next begins."""
    left, top = corner
    axes = sheet.axes(left + BAR, top, LONGEST_BAR, ROW * len(images))
    axes.set(xlim=(0, longest), ylim=(len(images) - 0.5, -0.5), xticks=[], yticks=[])
    axes.axvline(0, color=QUIET, linewidth=0.8)
    for row, (image, number) in enumerate(images.items()):
        axes.barh(row, abs(image.effect), height=0.6, color=colour)
        _line(sheet, (left, top + ROW * row), number, _short_name(image), at=NAME)
    return top + ROW * len(images) + BETWEEN


def _pictures(
    sheet: Sheet, corner: tuple[float, float], images: Numbers, colour: str, longest: float
) -> float:
    """Draw the thumbnails in a row, each over its number; return where the next row begins."""
    left, top = corner
    for image, number in images.items():
        axes = sheet.axes(left, top, PICTURE, PICTURE)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE, linewidth=0.8)
        _thumbnail(axes, image)
        share = PICTURE * abs(image.effect) / longest
        bar = sheet.axes(left, top + PICTURE + 0.03, share, 0.035)
        bar.set(xticks=[], yticks=[], facecolor=colour)
        sheet.text(left, top + PICTURE + 0.08, logit_in_words(number), SMALL)
        left += PICTURE + APART
    return top + PICTURE + ROW + BETWEEN


def _thumbnail(axes: Axes, image: SupportImage) -> None:
    """Draw a picture on a white square; where none is kept, or it is damaged, write its name."""
    try:
        picture = None if image.thumbnail is None else open_image(image.thumbnail)
    except ImageError:
        picture = None
    if picture is None:
        name = wrap(_short_name(image, IN_A_SQUARE), IN_A_SQUARE // 3)
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": MUTED}
        axes.text(0.5, 0.5, "\n".join(name), fontsize=TINY, parse_math=False, **style)
        return
    square = ImageOps.pad(picture, (max(picture.size),) * 2, color="white")
    axes.imshow(np.asarray(square), interpolation="antialiased")


def _line(
    sheet: Sheet,
    corner: tuple[float, float],
    number: float,
    text: str,
    *,
    at: float = BAR,
    bold: bool = False,
) -> None:
    left, top = corner
    weight = "bold" if bold else "normal"
    colour = INK if bold else MUTED
    middle = top + ROW / 2
    style = {"va": "center", "weight": weight}
    sheet.text(left + NUMBER, middle, logit_in_words(number), SMALL, ha="right", **style)
    sheet.text(left + at, middle, text, SMALL, color=colour, **style)


def _rule(sheet: Sheet, left: float, top: float) -> None:
    axes = sheet.axes(left, top, TILE - 0.05, 0.01)
    axes.set(xticks=[], yticks=[])
    axes.axhline(0.5, color=QUIET, linewidth=0.8)


def _short_name(image: SupportImage, longest: int = LETTERS) -> str:
    """Return the end of the file's name, which tells more than a long beginning."""
    name = PurePosixPath(image_name(image)).name
    return name if len(name) <= longest else f"…{name[1 - longest :]}"

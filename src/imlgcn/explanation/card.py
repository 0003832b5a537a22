"""What an explanation shows of itself in a notebook: maps over the image, and what adds to it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup

from imlgcn.explanation.heat_map import overlay
from imlgcn.explanation.support import SupportImage
from imlgcn.explanation.words import image_name, logit_in_words, where
from imlgcn.notebook import Bar, bars, card, note, picture, sides
from imlgcn.numbers import percent, plural

if TYPE_CHECKING:
    from imlgcn.explanation.explanation import Explanation, LabelExplanation

WIDE = 200  # pixels of a column
BARS = 9
NAMED = 3  # training images or neighbours for a label, of each sign
SMALL = 44  # pixels of a training image
LARGEST = 100_000  # characters of a card


def explanation_card(explanation: Explanation) -> str:
    """Return an explanation as HTML of less than 100 kB, if need be with less to see."""
    found = ""
    for look in LOOKS:
        if len(found := _card(explanation, look)) < LARGEST:
            break
    return found


class _Look(NamedTuple):
    """How much the images of a card may take."""

    quality: int  # of JPEGs
    thumbnails: bool  # of training images


LOOKS = (_Look(82, True), _Look(82, False), _Look(40, False))


def _card(explanation: Explanation, look: _Look) -> str:
    tags = int((explanation.probabilities >= explanation.thresholds).sum())
    image = explanation.picture
    order = np.argsort(-explanation.probabilities, kind="stable")
    rows = [
        Bar(explanation.names[i], explanation.probabilities[i], explanation.thresholds[i])
        for i in order[:BARS]
    ]
    first = []
    if image is not None:
        first = [picture(image, explanation.image, image.width, quality=look.quality)]
    labels = [_label(explanation, label, look) for label in explanation.labels]
    rest = [note(explanation.note)] if explanation.note else []
    line = f"{plural(tags, 'tag') if tags else 'no tag'} from {explanation.head}"
    return card(
        *(explanation.image, f"{line}; the lines are thresholds"),
        sides(*first, bars(rows)),
        sides(*labels),
        *rest,
    )


def _label(explanation: Explanation, label: LabelExplanation, look: _Look) -> Markup:
    """Return the column of one label."""
    parts = [
        Markup('<div class="head">{}</div><div class="sub">{}, threshold {}</div>').format(
            label.label, percent(label.probability), percent(label.threshold)
        )
    ]
    image, seen = explanation.picture, where(explanation, label)
    if image is not None:
        drawn = overlay(image, label.map, explanation.region, explanation.kind)
        words = f"{label.label}: {seen}"
        parts.append(picture(drawn, words, image.width, quality=look.quality))
    parts.append(note(seen))
    parts += _neighbours(label) + _support(label, look)
    return Markup('<div style="width:{}px">{}</div>').format(WIDE, Markup("").join(parts))


def _neighbours(label: LabelExplanation) -> list[Markup]:
    if label.graph is None or not label.graph.neighbours:
        return []
    shown = [_line(n.effect, n.label) for n in label.graph.neighbours[: 2 * NAMED]]
    return [note("through the label graph"), *shown]


def _support(label: LabelExplanation, look: _Look) -> list[Markup]:
    if label.support is None:
        return []
    sides_of = (label.support.speaks_for[:NAMED], label.support.speaks_against[:NAMED])
    images = [image for side in sides_of for image in side]
    small = [_thumbnail(image) if look.thumbnails else Markup("") for image in images]
    shown = [_line(x.effect, image_name(x), y) for x, y in zip(images, small, strict=True)]
    more = label.support.others + len(label.support.shown) - len(shown)
    return [note("training images"), *shown, note(f"and {plural(more, 'other')}")]


def _line(effect: float, whole: str, image: Markup = Markup("")) -> Markup:  # noqa: B008
    name = PurePosixPath(whole).name or whole
    return Markup(
        '<div style="display:flex;gap:0.5rem;align-items:center;font-size:12.5px;padding:1px 0">'
        '<span class="{}" style="width:3.2rem;text-align:right;flex:none">{}</span>{}'
        '<span class="name" title="{}">{}</span></div>'
    ).format("for" if effect > 0 else "against", logit_in_words(effect), image, whole, name)


def _thumbnail(image: SupportImage) -> Markup:
    if image.thumbnail is None:
        return Markup("")
    return picture(image.thumbnail, image_name(image), SMALL)

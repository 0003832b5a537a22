"""From a tagger and an image to the explanation of its tags.

Shapes: L labels, S input size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import ADDITIVE, ActivationMaps
from imlgcn.data.image_input import as_image, name_of
from imlgcn.errors import unknown_name
from imlgcn.explanation.explanation import Explanation, LabelExplanation, margin_part
from imlgcn.explanation.network import Insight, look_inside
from imlgcn.tagger import ImageLike, Tagger

SHOWN = 4  # labels explained in total, unless more are asked for
SIDE = 200  # pixels of the longer side of the picture that is kept
AT_LEAST = 2  # explained, tags or not, if none is asked for


def explain(tagger: Tagger, image: ImageLike, labels: Sequence[str] | None = None) -> Explanation:
    """Explain an image's tags: where each score comes from, which labels or images contributed.

    ``labels`` are explained first, tags or not, then the most probable tags, up to 4 in total.
    Neighbours and training images need the tagger folder: an exported file has neither the label
    graph nor their names.

    Raises:
        InputError: an unknown label, or a network without activation maps.
        ImageError: the image cannot be read.
    """
    wanted = list(dict.fromkeys(labels or ()))
    for name in wanted:
        if name not in tagger.labels:
            raise unknown_name("label", name, tagger.labels)
    title = Path(name_of(image)).name or "image"
    picture = as_image(image, size=tagger.info.image.size, fit=tagger.info.image.fit)
    pixels = tagger.load_input(picture)[None]  # (1, S, S, 3)
    maps = tagger.maps(pixels, [picture.size])
    scores = tagger.calibration.apply(maps.logits)[0]  # (L,)
    chosen = _choose(scores, tagger.thresholds, [tagger.labels.index(name) for name in wanted])
    insight = look_inside(tagger, pixels, chosen) if tagger.path.is_dir() else Insight()
    return Explanation(
        image=title,
        head=tagger.info.head.name,
        kind=maps.kind,
        region=maps.regions[0],
        names=tagger.labels,
        probabilities=scores,
        thresholds=tagger.thresholds,
        without_graph=insight.without_graph,
        labels=tuple(
            _label(tagger, maps, insight, index, tagger.labels[index] in wanted) for index in chosen
        ),
        note=insight.note,
        picture=_small(picture),
    )


def _small(picture: Image.Image) -> Image.Image:
    """Return a copy for a notebook."""
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _choose(
    scores: NDArray[np.float64], thresholds: NDArray[np.float64], wanted: list[int]
) -> list[int]:
    """Return the labels to explain: those asked for, then tags, most probable first."""
    ranked = [int(index) for index in np.argsort(-scores, kind="stable") if index not in wanted]
    tags = [index for index in ranked if scores[index] >= thresholds[index]]
    if not wanted and len(tags) < AT_LEAST:
        tags = ranked[:AT_LEAST]
    return wanted + tags[: max(SHOWN - len(wanted), 0)]


def _label(
    tagger: Tagger, maps: ActivationMaps, insight: Insight, index: int, wanted: bool
) -> LabelExplanation:
    activation_map, logit = maps.maps[0, index], float(maps.logits[0, index])
    adds_up = maps.kind in ADDITIVE
    probability = tagger.calibration.apply(maps.logits)[0, index]
    return LabelExplanation(
        label=tagger.labels[index],
        wanted=wanted,
        probability=float(probability),
        threshold=float(tagger.thresholds[index]),
        logit=logit,
        map=activation_map,
        bias=logit - float(activation_map.mean()) if adds_up else None,
        margin=margin_part(activation_map, maps.regions[0]) if adds_up else None,
        linear=None if insight.linear is None else float(insight.linear[index]),
        graph=insight.effects.get(index),
        support=insight.support.get(index),
    )

"""The proof of a layout: read as its client reads it, its scores and tags are the tagger's.

Shapes: N images, L labels, K shown labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imlgcn.exporting.agreement import ROUNDING, Agreement, ExportRefused
from imlgcn.exporting.layouts.base import Given
from imlgcn.exporting.layouts.client_network import Runner
from imlgcn.numbers import plural
from imlgcn.tagger.choice import TagBounds, TagRule

Floats = NDArray[np.float32]


def prove(
    given: Given,
    file: Path,
    fed: Floats,
    finish: nn.Module,
    tags_of: Callable[[Floats], NDArray[np.bool_]] | None,
    *,
    batches: Sequence[int] = (1, 3),
    most: int | None = None,
) -> Agreement:
    """Compare a layout's file with the trained network, not folded, on the samples.

    Args:
        given: what it was made of.
        file: its ONNX file.
        fed: the samples as the client feeds them, one row each.
        finish: what makes the file's output of calibrated probabilities ``(N, L)``.
        tags_of: what the client makes of the output: which shown labels it gives ``(N, K)``;
            compared with the tagger's own tags. None: it depends on a threshold of the client's.
        batches: how many images at a time.
        most: how many tags of an image the client keeps, the most probable ones; None: all.

    Raises:
        ExportRefused: they differ.
    """
    from imlgcn.engines.torch import TorchEngine

    trained = TorchEngine(given.tagger.classifier(), given.info.image, device="cpu", latency=True)
    probabilities = given.tagger.calibration.apply(trained.logits(given.samples.pixels))
    with torch.inference_mode():
        expected = finish(torch.from_numpy(probabilities.astype(np.float32))).numpy()
    tags, sure = decisions(given, probabilities, most)
    run, apart, other = Runner(file), 0.0, 0
    for size in batches:
        found = np.concatenate([run(fed[n : n + size]) for n in range(0, len(fed), size)])
        if found.shape != expected.shape or not np.isfinite(found).all():
            apart, other = float("inf"), other
            break
        # an image with a label at its threshold may round to either side of it
        apart = max(apart, float(np.abs(found - expected)[sure].max(initial=0.0)))
        if tags_of is not None:
            other = max(other, int((tags_of(found) != tags)[sure].sum()))
    agreed = Agreement(apart, 1.0, other, int(tags.sum()))
    if not agreed.holds:
        raise ExportRefused(
            f"{file.name}, read as its client reads it, disagrees with the trained network on "
            f"{given.samples.origin}: scores differ by up to {apart:.2g}, and {other} of "
            f"{plural(agreed.tags, 'tag')}; nothing was written"
        )
    return agreed


def decisions(
    given: Given, probabilities: NDArray[np.float64], most: int | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the tagger's tags among shown labels ``(N, K)``, and which images are sure ``(N,)``.

    An image is not, where a label is as near to its threshold as runtimes round.
    """
    thresholds = given.tagger.thresholds
    rule = TagRule(given.table, thresholds, TagBounds(at_most=most))
    tags = [rule.decide(row).given[given.shown] for row in probabilities]
    sides = given.table.close(probabilities), np.broadcast_to(thresholds, probabilities.shape)
    logits, limits = (np.log(x / (1 - x)) for x in (np.clip(s, 1e-12, 1 - 1e-12) for s in sides))
    return np.array(tags), (np.abs(logits - limits) > ROUNDING).all(1)

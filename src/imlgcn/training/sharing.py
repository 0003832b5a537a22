"""Work on images and labels that the processes of a training share out, and what comes together.

Each takes every world-th image, so none is taken twice and none is left out. Letters: N images,
L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.extraction import FeatureTable
from imlgcn.data.features import features_for
from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import count_known_pairs, count_pairs
from imlgcn.labels.targets import TargetArray, few_entries
from imlgcn.training.ranks import Ranks


def shared_features(paths: Sequence[Path], ranks: Ranks, **options: Any) -> FeatureTable:
    """Return what :func:`imlgcn.data.features.features_for` returns, each image by one process.

    All processes get the same, so they agree on which images cannot be read.
    """
    if ranks.world == 1:
        return features_for(paths, **options)
    own = ranks.together(lambda: features_for(paths[ranks.mine], **options))
    numbers = np.arange(len(paths))
    places: list[NDArray[np.int64]] = []
    failed: dict[int, str] = {}
    for rank, (rows, bad) in enumerate(ranks.gather((own.rows, own.failed))):
        share = numbers[rank :: ranks.world]
        places.append(share[rows])
        failed |= {int(share[row]): why for row, why in bad.items()}
    order = np.argsort(np.concatenate(places))
    features, contents = (
        np.concatenate(list(ranks.each_row(values)))[order]
        for values in (own.features[:], own.contents)
    )
    rows = np.concatenate(places)[order]
    return FeatureTable(features, rows, dict(sorted(failed.items())), contents)


def count_labels(names: Sequence[str], targets: TargetArray, ranks: Ranks) -> LabelContext:
    """Return the context of ``targets`` (N, L), as ``LabelContext.from_targets`` does.

    Where only pairs that occur are counted, each process counts all of them: that takes seconds.
    """
    if ranks.world == 1 or not isinstance(targets, np.ndarray) or few_entries(targets) is not None:
        return LabelContext.from_targets(names, targets)
    own = targets[ranks.mine]
    pairs, occurrences = ranks.add(count_pairs(own))
    known = (None, None) if (targets >= 0).all() else ranks.add(count_known_pairs(own))
    return LabelContext(tuple(names), pairs, occurrences, len(targets), {}, *known)

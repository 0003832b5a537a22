"""Parameter counts of a system, on a network without storage (the meta device).

Letters: L labels, C channels, D node width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.classifier import MultiLabelClassifier, count_parameters
from imlgcn.models.create import create_backbone
from imlgcn.models.folding import fold_batch_norms
from imlgcn.models.heads import HEADS, create_head, head_options

WORD_DIMENSIONS = 300  # of the GloVe vectors in ML-GCN; the `[words]` package has 50


def count_system(
    head: str,
    backbone: str,
    num_labels: int,
    *,
    embedding: str | None = None,
    preset: str = "paper",
    folded: bool = False,
    options: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Return the parameters of ``backbone``, ``head`` and ``total``; buffers are not counted.
    F_PCA counts with D = L in the preset ``paper`` and D = L - 1 in ``small`` (centred), word
    vectors with D = 300. ``folded`` counts the head as it is deployed, and under ``deployed`` the
    whole network with batch norms folded as well; ``options`` are further options of the head.
    Sizes that depend on the data are those of the head's ``counted_with`` or of ``options``, and
    are returned under their names.

    Raises:
        InputError: an unknown name, or an embedding for a head that takes none.
    """
    given = dict(options or {}) | ({} if embedding is None else {"embedding": embedding})
    assumed = HEADS[head].counted_with if head in HEADS else {}  # unknown: refused in the next line
    complete = head_options(head, preset, **{**assumed, **given})
    with torch.device("meta"):
        network = create_backbone(backbone, pretrained=False)
    C, L = network.out_channels, num_labels
    D = L if preset == "paper" else max(L - 1, 1)
    context = LabelContext.placeholder(L, image=C, image_pca=min(D, C), words=WORD_DIMENSIONS)
    channels = HEADS[head].channels_of(network, complete)
    with torch.device("meta"):
        built = create_head(head, channels, context, **complete)
        system = MultiLabelClassifier(network, built.fold() if folded else built)
        total, in_backbone = count_parameters(system), count_parameters(network)
        counts = {"backbone": in_backbone, "head": total - in_backbone, "total": total}
        if folded:
            counts["deployed"] = count_parameters(
                fold_batch_norms(system.eval(), network.image_settings.size)
            )
    return counts | {size: complete[size] for size in assumed}

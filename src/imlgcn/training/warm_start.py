"""Starting a head where the linear head of stage 1 stands, before both are fine-tuned.

Features of a fine-tuned backbone are too easy on the images it was tuned on: a head trained on
them from scratch learns them by heart (on Open Clip Art it lost 14 mAP). So nothing is learnt from
labels here; the head is made to agree with the linear head.
Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from imlgcn.models import Head
from imlgcn.models.heads.ml_gcn import MLGCNHead
from imlgcn.models.layers import FoldedHead

STEPS = 300  # of L-BFGS; L * C numbers are matched to well under a per cent in a second or two


def warm_start(head: Head, linear: Head, features: Tensor) -> float:
    """Make ``head`` score like ``linear``; return what is left of the difference, as a share.

    A head that generates classifiers (ML-GCN, IML-GCN) is fitted to the linear head's weights and
    takes its bias; any other is fitted to its logits on ``features`` ``(N, C, 1, 1)``.
    """
    teacher = linear.eval().fold()
    assert isinstance(teacher, FoldedHead), "stage 1 trains a linear head"
    head.eval()
    if not isinstance(head, MLGCNHead):
        with torch.no_grad():
            wanted = teacher(features)  # (N, L)
        return _fit(head, lambda: head(features), wanted)
    if head.bias is not None and teacher.linear.bias is not None:
        with torch.no_grad():
            head.bias.copy_(teacher.linear.bias)
    wanted = teacher.linear.weight.detach()  # (L, C)
    return _fit(head, head.weight, wanted)


def _fit(head: nn.Module, compute: Callable[[], Tensor], wanted: Tensor) -> float:
    """Minimise the squared difference by L-BFGS; relative, so that its tolerances have a unit."""
    energy = wanted.square().mean().clamp(min=1e-12)
    parameters = [p for p in head.parameters() if p.requires_grad]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (compute() - wanted).square().mean() / energy
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
    with torch.no_grad():
        return float(((compute() - wanted).square().mean() / energy).sqrt())

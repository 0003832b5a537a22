"""Warm start: a head is fitted to the scores of the linear head before both are fine-tuned.

Features of a fine-tuned backbone are too easy on the images it was tuned on: a head trained on
them from scratch overfits (on Open Clip Art it lost 14 mAP). So no labels are used here; the head
is fitted to the linear head.
Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from imlgcn.models import Head

STEPS = 300  # of L-BFGS; L * C weights are matched to well under 1 % in a second or two


def warm_start(head: Head, linear: Head, features: Tensor) -> float:
    """Make ``head`` score like ``linear``; return the relative difference that remains.

    A head that is linear in the image vector as well (its ``linear_form``) is fitted to the linear
    head's weights and takes its bias; any other is fitted to its logits on ``features``
    ``(N, C, 1, 1)``.
    """
    head.eval()
    target, own = linear.eval().linear_form(), head.linear_form()
    assert target is not None, "stage 1 trains a linear head"
    if own is None:
        with torch.no_grad():
            logits = linear(features)  # (N, L)
        return _fit(head, lambda: head(features), logits)
    if own[1] is not None and target[1] is not None:
        with torch.no_grad():
            own[1].copy_(target[1])
    return _fit(head, lambda: _weight(head), target[0].detach())


def _weight(head: Head) -> Tensor:
    """Return what multiplies the image vector in a head that is linear, ``(L, C)``."""
    form = head.linear_form()
    assert form is not None
    return form[0]


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

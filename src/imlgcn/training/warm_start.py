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

STEPS = 300  # of L-BFGS
CLOSE = 0.01  # relative difference after the solve with which L-BFGS is left out


def warm_start(head: Head, linear: Head, features: Tensor) -> float:
    """Make ``head`` score like ``linear``; return the relative difference that remains.

    A head that is linear in the image vector as well takes the linear head's weights and bias
    (``take_weight``): a solve, so that rounding in the features stays rounding in the head,
    whatever number of processes made them. If that leaves more than a hundredth, or the head is not
    linear, L-BFGS fits it to the weights, or to the logits on ``features`` ``(N, C, 1, 1)``.
    """
    head.eval()
    target, own = linear.eval().linear_form(), head.linear_form()
    assert target is not None, "stage 1 trains a linear head"
    if own is None:
        with torch.no_grad():
            logits = linear(features)  # (N, L)
        return _fit(head, lambda: head(features), logits)
    wanted = target[0].detach()
    with torch.no_grad():
        if own[1] is not None and target[1] is not None:
            own[1].copy_(target[1])
    head.take_weight(wanted)
    left = _difference(_weight(head), wanted)
    return left if left <= CLOSE else _fit(head, lambda: _weight(head), wanted)


def _weight(head: Head) -> Tensor:
    """Return what multiplies the image vector in a head that is linear, ``(L, C)``."""
    form = head.linear_form()
    assert form is not None
    return form[0]


def _difference(found: Tensor, wanted: Tensor) -> float:
    """Return the relative difference of two tensors."""
    return float(_relative(found, wanted).detach().sqrt())


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared difference in units of what is wanted."""
    return (found - wanted).square().mean() / wanted.square().mean().clamp(min=1e-12)


def _fit(head: nn.Module, compute: Callable[[], Tensor], wanted: Tensor) -> float:
    """Minimise the squared difference by L-BFGS; relative, so that its tolerances have a unit."""
    parameters = [p for p in head.parameters() if p.requires_grad]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _relative(compute(), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
    return _difference(compute(), wanted)

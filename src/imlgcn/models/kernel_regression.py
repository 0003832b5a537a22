r"""Gaussian kernel ridge regression on square-root features, solved in closed form, in float64.

.. math::
    u(x) = \frac{r}{|r|}, \quad r = \operatorname{sign}(x) \sqrt{|x|}, \qquad
    K_{ij} = \exp(-\gamma\, |u_i - u_j|^2 / m), \qquad A = (K + \lambda I)^{-1} (T - \bar T)

m is the median of all N x N squared distances. The score of an image is :math:`k^\top A + \bar T`,
with k its kernel to the N images. A label with unknown targets is solved on its known rows.

Shapes: N images fitted on, Q others, D channels, L labels, K rows that a label knows, U rows
that it does not, P patterns of known rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imlgcn.models.kernel_inverse import FactorInverse, Inverse, PartInverse, cholesky_

BLOCK = 1 << 22  # values looked at at once, for their median
DIGIT = 21  # bits of a float64 that one pass finds; three passes find all but the sign
ENTRIES = 1 << 25  # rows x labels that are solved at once: 256 MB each of a few matrices
AT_ONCE = 1024  # rows of groups that are held out at once
COINCIDENT = 1e-9  # a median below this is rounding: most pairs are copies of one image


class Solution(NamedTuple):
    """Weights (N, L), zero where the target is unknown; mean (L,); held-out scores."""

    weights: Tensor
    mean: Tensor
    held_out: tuple[Tensor, ...] = ()  # for each grouping (N, L), NaN where the target is unknown


def unit_roots(features: Tensor) -> Tensor:
    """Return square roots that keep the sign, as vectors of length 1; zero stays zero.

    >>> unit_roots(torch.tensor([[9.0, -16.0, 0.0]]))
    tensor([[ 0.6000, -0.8000,  0.0000]])
    """
    return nn.functional.normalize(features.sign() * features.abs().sqrt(), dim=-1)


def squared_distances(units: Tensor, others: Tensor) -> Tensor:
    """Return ``|u - v|^2`` of every pair, ``(N, D)`` and ``(Q, D)`` -> ``(N, Q)``."""
    distances = units @ others.mT
    distances.mul_(-2).add_(units.square().sum(1)[:, None]).add_(others.square().sum(1))
    return distances.clamp_(min=0)


def gaussian_(distances: Tensor, gamma: float, scale: float) -> Tensor:
    """Turn squared distances into the kernel, in place."""
    return distances.mul_(-gamma / scale).exp_()


def kernel_scale(distances: Tensor) -> float:
    """Return what squared distances ``(N, N)`` are divided by: their median.

    Where most images are copies, the median is 0: then it is the mean, or 1 if that is 0 as well.
    """
    for scale in (median(distances), float(distances.sum()) / max(distances.numel(), 1)):
        if scale > COINCIDENT:
            return scale
    return 1.0


def median(values: Tensor) -> float:
    """Return the exact median of float64 values >= 0; of two middle ones the mean, of none 0.

    Nothing is sorted or copied as a whole: memory is that of a block, and time grows as N.

    >>> median(torch.tensor([[0.0, 7.0], [2.0, 3.0]], dtype=torch.float64))
    2.5
    """
    blocks = torch.split(values.flatten(), BLOCK)  # views, of a contiguous matrix
    count = values.numel()
    if not count:
        return 0.0
    lower = _smallest(blocks, (count - 1) // 2)
    above = [(len(part), float(part.min())) for b in blocks if len(part := b[b > lower])]
    if count % 2 or sum(number for number, _ in above) < count // 2:
        return lower
    return (lower + min(least for _, least in above)) / 2


def _smallest(blocks: tuple[Tensor, ...], rank: int) -> float:
    """Return the value of a rank, digit by digit: floats >= 0 sort like their bits."""
    found, digits = 0, 1 << DIGIT
    for shift in (2 * DIGIT, DIGIT, 0):
        counts = torch.zeros(digits, dtype=torch.int64)
        for block in blocks:
            last = _bits(block, shift) - (found << DIGIT)
            last = last[(last >= 0) & (last < digits)] if shift != 2 * DIGIT else last
            counts += torch.bincount(last, minlength=digits)
        ends = counts.cumsum(0)
        digit = int(torch.searchsorted(ends, rank, right=True))
        rank -= int(ends[digit] - counts[digit])
        found = (found << DIGIT) + digit
        if counts[digit] <= BLOCK:  # few are left: only these are looked at from now on
            blocks = (torch.cat([block[_bits(block, shift) == found] for block in blocks]),)
    return float(torch.tensor(found, dtype=torch.int64).view(torch.float64))


def _bits(block: Tensor, shift: int) -> Tensor:
    """Return the first bits of float64 values as numbers; -0.0 as 0.0."""
    return block.abs().view(torch.int64) >> shift


def solve(kernel: Tensor, targets: Tensor, ridge: float, *groups: Tensor) -> Solution:
    r"""Solve all labels, each on the rows it knows, with as little work as :func:`plan` finds.

    Held-out scores are exact, from :math:`C = (K + \lambda I)^{-1}`, for a group g of rows
    :math:`T_g - C_{gg}^{-1} (C (T - \bar T))_g`: what the others would say if g had been left out
    of the solution (the mean stays).

    Args:
        kernel: ``(N, N)`` float64; it is used as working memory and holds nothing afterwards. At
            most one more matrix of its size is made, and only where targets are unknown or in
            groups.
        targets: ``(N, L)``: 1 present, 0 absent, -1 unknown.
        ridge: :math:`\lambda`, above 0.
        groups: each ``(N,)`` numbers; rows of one number are held out together. All different:
            leave one out.
    """
    weights = kernel.new_zeros(targets.shape)
    mean = kernel.new_zeros(targets.shape[1])
    held_out = tuple(torch.full_like(weights, torch.nan) for _ in groups)
    for same, rows, inverse in _inverses(kernel, targets, ridge):
        for labels in torch.split(same, max(ENTRIES // max(len(rows), 1), 1)):
            T = targets[rows[:, None], labels].to(kernel.dtype)  # (K, labels)
            mean[labels] = T.mean(0)
            A = inverse.solve(T - T.mean(0))
            weights[rows[:, None], labels] = A
            for scores, numbers in zip(held_out, groups, strict=True):
                scores[rows[:, None], labels] = T - _held_out(inverse, A, numbers[rows])
    return Solution(weights, mean, held_out)


class Plan(NamedTuple):
    """Patterns of known rows ``(P, N)``, the pattern of each label, which share, and the work."""

    patterns: Tensor  # bool, those with the fewest known rows first, none without any
    which: Tensor  # (L,); -1: the label knows no row
    shared: Tensor  # (P,) whether a pattern is solved from the inverse of all rows
    work: float  # multiply-adds, about


def plan(targets: Tensor) -> Plan:
    """Return how labels ``(N, L)`` with unknown targets are solved, held-out scores included.

    Labels that know the same K of N rows are one pattern. Each has a factor of its own (2/3 K^3),
    or all share the inverse of all rows (N^3, once) and leave out what they do not know, U rows
    (U^2 N): whichever is less work.
    """
    known = targets >= 0
    patterns, which = torch.unique(known.T, dim=0, return_inverse=True)
    order = patterns.sum(1).argsort(stable=True)
    order = order[patterns[order].any(1)]
    place = torch.full((len(patterns),), -1)
    place[order] = torch.arange(len(order))
    N, count = len(targets), patterns[order].sum(1).double()
    own, leave = 2 / 3 * count**3, (N - count) ** 2 * N
    shared = leave < own
    if N**3 + leave[shared].sum() >= own[shared].sum():
        shared = torch.zeros_like(shared)
    work = torch.where(shared, leave, own).sum() + (N**3 if shared.any() else 0)
    return Plan(patterns[order], place[which], shared, float(work))


def _inverses(
    kernel: Tensor, targets: Tensor, ridge: float
) -> Iterator[tuple[Tensor, Tensor, Inverse]]:
    """Yield labels that know the same rows, these, and C on them; the last destroy the kernel."""
    patterns, which, shared, _ = plan(targets)
    own = (~shared).nonzero()[:, 0].tolist()
    for index in own:  # a pattern that knows all rows is the last
        rows = patterns[index].nonzero()[:, 0]
        matrix = kernel if len(rows) == len(kernel) else kernel[rows[:, None], rows]
        yield (which == index).nonzero()[:, 0], rows, FactorInverse(matrix, ridge)
    if shared.any():
        inverse = torch.cholesky_inverse(cholesky_(kernel, ridge))
        for index in shared.nonzero()[:, 0].tolist():
            rows, hidden = patterns[index].nonzero()[:, 0], (~patterns[index]).nonzero()[:, 0]
            labels = (which == index).nonzero()[:, 0]
            yield labels, rows, PartInverse(inverse, rows, hidden)


def _held_out(inverse: Inverse, weights: Tensor, groups: Tensor) -> Tensor:
    """Return ``C_gg^-1 A_g`` of every group, ``(K, L)``."""
    left: Tensor = weights / inverse.diagonal()[:, None]
    _, which, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    order, starts = which.argsort(stable=True), sizes.cumsum(0) - sizes
    for size in sizes[sizes > 1].unique().tolist():  # groups of one size at once: there may be many
        members = order[starts[sizes == size][:, None] + torch.arange(size)]  # (groups, size)
        for rows in torch.split(members, max(AT_ONCE // size, 1)):
            part = torch.linalg.cholesky(inverse.blocks(rows))  # of C_gg
            left[rows] = torch.cholesky_solve(weights[rows], part)
    return left

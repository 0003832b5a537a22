r"""Gaussian kernel ridge regression on square-root features, solved in closed form, in float64.

.. math::
    u(x) = \frac{r}{|r|}, \quad r = \operatorname{sign}(x) \sqrt{|x|}, \qquad
    K_{ij} = \exp(-\gamma\, |u_i - u_j|^2 / m), \qquad A = (K + \lambda I)^{-1} (T - \bar T)

m is the median of all N x N squared distances. The score of an image is :math:`k^\top A + \bar T`,
with k its kernel to the N images. A label with unknown targets is solved on its known rows.

Shapes: N images fitted on, Q others, D channels, L labels, K rows that a label knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

BLOCK = 1 << 22  # values looked at at once, for their median
DIGIT = 21  # bits of a float64 that one pass finds; three passes find all but the sign
SMALL = 256  # rows of a triangle that is inverted at once
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
    r"""Solve all labels; those that know the same rows share a factorisation.

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
    for labels, rows in _known_rows(targets):
        whole = len(rows) == len(targets)
        matrix = kernel if whole else kernel[rows[:, None], rows]
        T = targets[rows][:, labels].to(kernel.dtype)  # (K, labels)
        mean[labels] = T.mean(0)
        factor = _cholesky_(matrix, ridge)
        A = torch.cholesky_solve(T - T.mean(0), factor)
        weights[rows[:, None], labels] = A
        if groups:
            inverse = _invert_lower_(factor)
            for scores, numbers in zip(held_out, groups, strict=True):
                scores[rows[:, None], labels] = T - _held_out(inverse, A, numbers[rows])
    return Solution(weights, mean, held_out)


def _known_rows(targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield labels that know the same rows, with these; labels that know all rows come last."""
    known = targets >= 0
    patterns, which = torch.unique(known.T, dim=0, return_inverse=True)
    for index in patterns.sum(1).argsort().tolist():  # the last may destroy the kernel
        if patterns[index].any():
            yield (which == index).nonzero()[:, 0], patterns[index].nonzero()[:, 0]


def _cholesky_(matrix: Tensor, ridge: float) -> Tensor:
    """Factor ``matrix + ridge * I`` in the memory of ``matrix``, which is symmetric."""
    matrix.diagonal().add_(ridge)
    factor = matrix.mT  # LAPACK counts by columns: this way nothing is copied
    info = torch.empty((), dtype=torch.int32, device=matrix.device)
    torch.linalg.cholesky_ex(factor, check_errors=True, out=(factor, info))
    return factor


def _invert_lower_(factor: Tensor) -> Tensor:
    """Invert a lower triangle in place, by halves: a third of the work of solving for I."""
    size = len(factor)
    if size <= SMALL:
        eye = torch.eye(size, dtype=factor.dtype, device=factor.device)
        factor.copy_(torch.linalg.solve_triangular(factor, eye, upper=False))
        return factor
    half = size // 2
    above, below, corner = factor[:half, :half], factor[half:, half:], factor[half:, :half]
    right = torch.linalg.solve_triangular(above, corner, upper=False, left=False)
    corner.copy_(torch.linalg.solve_triangular(below, right, upper=False).neg_())
    _invert_lower_(above)
    _invert_lower_(below)
    return factor


def _held_out(inverse: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
    """Return ``C_gg^-1 A_g`` of every group, ``(K, L)``; ``inverse`` is that of the factor."""
    diagonal = torch.linalg.vector_norm(inverse, dim=0).square()  # of C
    left: Tensor = weights / diagonal[:, None]
    _, which, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    order, starts = which.argsort(stable=True), sizes.cumsum(0) - sizes
    for size in sizes[sizes > 1].unique().tolist():  # groups of one size at once: there may be many
        members = order[starts[sizes == size][:, None] + torch.arange(size)]  # (groups, size)
        for rows in torch.split(members, max(AT_ONCE // size, 1)):
            columns = inverse.mT[rows]  # (groups, size, K)
            part = torch.linalg.cholesky(columns @ columns.mT)  # of C_gg
            left[rows] = torch.cholesky_solve(weights[rows], part)
    return left

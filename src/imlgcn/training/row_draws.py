"""Random numbers that belong to the rows of a batch, whoever computes these rows.

Dropout, and labels that a head hides at random, are then the same in one process and in several,
and whether a batch is taken whole or in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DROPOUTS = {nn.functional.dropout, nn.functional.dropout1d, nn.functional.dropout2d}


class RowDraws(TorchFunctionMode):
    """Draw for the whole batch, and take the rows of a part.

    In the block, a dropout, ``torch.rand`` or ``torch.rand_like`` whose first dimension is the
    number of ``rows`` is drawn for ``total`` of them, as it would be for all.
    """

    def __init__(self, rows: Tensor, total: int) -> None:
        super().__init__()
        self.rows, self.total = rows, total

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run ``func``; see the class."""
        kwargs = kwargs or {}
        if func in DROPOUTS:
            return self._drop(func, *args, **kwargs)
        if func is torch.rand:
            shape = args[0] if isinstance(args[0], tuple) else args
            return self._rand(shape, **kwargs)
        if func is torch.rand_like:
            return self._rand(args[0].shape, dtype=args[0].dtype, device=args[0].device)
        return func(*args, **kwargs)

    def _rand(self, shape: Sequence[int], **how: Any) -> Tensor:
        if not self._by_rows(shape):
            return torch.rand(shape, **how)
        whole: Tensor = torch.rand((self.total, *shape[1:]), **how)
        return whole[self._on(whole.device)]

    def _drop(self, dropout: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        given = signature(dropout).bind(*args, **kwargs)
        given.apply_defaults()
        values, p, training = (given.arguments[key] for key in ("input", "p", "training"))
        if not (training and p) or not self._by_rows(values.shape):
            return dropout(*args, **kwargs)
        # in the order of the memory of the values, in which torch draws
        order = sorted(range(values.dim()), key=values.stride, reverse=True)
        sizes = self.total, *values.shape[1:]
        ones = values.new_ones([sizes[axis] for axis in order])
        back = [order.index(axis) for axis in range(values.dim())]
        kept: Tensor = dropout(ones.permute(back), p)[self._on(values.device)]
        dropped: Tensor = values * kept
        return dropped

    def _by_rows(self, shape: Sequence[int]) -> bool:
        return len(shape) > 0 and shape[0] == len(self.rows)

    def _on(self, device: torch.device) -> Tensor:
        return self.rows.to(device)

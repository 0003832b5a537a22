"""The tagger's decisions inside a graph: calibrated probabilities to one score per shown label.

Clients compare every score with one threshold c. Each label's own threshold t is mapped onto it,
the order of a label's scores kept: with p < t a score is below c, with p >= t above. By the rules
of the label table a parent has at least the score of its children, and of an exclusive set at most
one label is above c. Shapes: B batch, L labels, K shown labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from imlgcn.labels.label_rows import find_edges, with_ancestors
from imlgcn.labels.label_table import LabelTable

GAP = 1e-3  # scores this near to c do not occur: clients compare with > or with >=
# of a logit: a threshold is often exactly the score of an image, which has to stay on its side
SLACK = 2e-5
EPSILON = 1.2e-7  # of float32


class Closing(nn.Module):
    """Raises each label's score to the largest of those below it, as `LabelTable.close`."""

    def __init__(self, table: LabelTable) -> None:
        super().__init__()
        L = len(table.rows)
        below: dict[int, list[int]] = {}
        for number, above in enumerate(with_ancestors(find_edges(table.rows), L)):
            for parent in above:
                if parent != number:
                    below.setdefault(parent, [parent]).append(number)
        widest = max(map(len, below.values()), default=0)
        rows = [found + found[:1] * (widest - len(found)) for found in below.values()]
        place = list(range(L))
        for position, parent in enumerate(below):
            place[parent] = L + position
        self.has_parents = bool(below)
        self.register_buffer("below", torch.tensor(rows, dtype=torch.long), persistent=False)
        self.register_buffer("place", torch.tensor(place), persistent=False)

    below: Tensor  # (parents, most labels below one and itself)
    place: Tensor  # (L,)

    def forward(self, scores: Tensor) -> Tensor:
        """Return the closed scores ``(B, L)``."""
        if not self.has_parents:
            return scores
        highest = scores[:, self.below].amax(-1)
        return torch.cat([scores, highest], 1)[:, self.place]


class OneOfEach(nn.Module):
    """Says which labels lose to another one of their exclusive set, by probability."""

    def __init__(self, table: LabelTable) -> None:
        super().__init__()
        sets: dict[str, list[int]] = {}
        for number, row in enumerate(table.rows):
            if row.exclusive:
                sets.setdefault(row.exclusive, []).append(number)
        L, widest = len(table.rows), max(map(len, sets.values()), default=0)
        place = [0] * L  # 0: in no set, never loses
        for position, members in enumerate(sets.values()):
            for within, number in enumerate(members):
                place[number] = 1 + position * widest + within
        padded = [members + [L] * (widest - len(members)) for members in sets.values()]
        self.has_sets, self.widest = bool(sets), widest
        self.register_buffer("members", torch.tensor(padded, dtype=torch.long), persistent=False)
        self.register_buffer("place", torch.tensor(place), persistent=False)

    members: Tensor  # (sets, most members); L stands for none
    place: Tensor  # (L,)

    def forward(self, probabilities: Tensor, above: Tensor) -> Tensor:
        """Return whether a label loses ``(B, L)``."""
        if not self.has_sets:
            return torch.zeros_like(above)
        candidates = torch.where(above, probabilities, -torch.ones_like(probabilities))
        none = candidates[:, :1] * 0 - 2
        found = torch.cat([candidates, none], 1)[:, self.members]  # (B, sets, widest)
        winner = found.argmax(-1, keepdim=True)
        loses = (torch.arange(self.widest) != winner).flatten(1)
        return torch.cat([torch.zeros_like(above[:, :1]), loses], 1)[:, self.place]


class ClientScores(nn.Module):
    """Calibrated probabilities ``(B, L)`` to scores ``(B, L)`` for a client's threshold.

    Without one (``at`` is None) they are the probabilities, closed.
    """

    def __init__(self, table: LabelTable, thresholds: np.ndarray, at: float | None) -> None:
        super().__init__()
        self.close, self.one_of_each, self.at = Closing(table), OneOfEach(table), at
        t = np.asarray(thresholds, np.float64)
        limit = t - np.maximum(SLACK * t * (1 - t), EPSILON * t)
        self.register_buffer("limit", torch.from_numpy(limit.astype(np.float32)), persistent=False)

    limit: Tensor  # (L,)

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return the scores."""
        closed: Tensor = self.close(probabilities)
        if self.at is None:
            return closed
        above = closed >= self.limit
        at, tiny = self.at, 1e-6
        low = (at - GAP) * (closed / self.limit.clamp(min=tiny)).clamp(max=1.0)
        over = (closed - self.limit) / (1 - self.limit).clamp(min=tiny)
        high = at + GAP + (1 - at - GAP) * over.clamp(0.0, 1.0)
        given = above & ~self.one_of_each(closed, above)
        found: Tensor = self.close(torch.where(given, high, low))
        return found


def kept_exclusive(table: LabelTable) -> tuple[LabelTable, list[str]]:
    """Return the table with the exclusive sets that a graph keeps, and the names of the others.

    It keeps those whose members are nobody's parents.
    """
    parents = {parent for row in table.rows for parent in row.parents}
    lost = sorted({row.exclusive for row in table.rows if row.exclusive and row.label in parents})
    rows = (replace(row, exclusive="") if row.exclusive in lost else row for row in table.rows)
    return (LabelTable(tuple(rows)) if lost else table), lost

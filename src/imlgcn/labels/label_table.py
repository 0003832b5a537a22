"""The table of labels: which are given out, under what name, with which parents, and how sure.

One row per label, in the tagger's order. The rules, for probabilities p and thresholds t of one
image, both (L,):

1. A label is at least as probable as those below it: p(parent) = max(p(parent), p(child)).
2. From the most probable label to the least: one with p >= t is given together with all its
   parents, unless one of these shares an exclusive set with a label that is given already.
3. Hidden labels take part in 1 and 2, and are then left out.

So no label is given without its parents, and at most one of an exclusive set; a parent may be below
its own threshold. Letters: L labels, N images, ``...`` any leading axes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.labels.label_rows import LabelRow, find_edges, find_problems, with_ancestors
from imlgcn.parsing import parse_json


class Decision(NamedTuple):
    """What the table makes of one image's probabilities."""

    probabilities: NDArray[np.float64]  # (L,), no parent below its child
    given: NDArray[np.bool_]  # (L,), the tags


@dataclass(frozen=True)
class LabelTable:
    """One row for each of a tagger's labels, in their order; see this module for the rules.

    >>> cat = LabelRow("cat", name="Katze", parents=("animal",))
    >>> table = LabelTable.of(["cat", "animal"], [cat])
    >>> table.decide(np.array([0.8, 0.3]), np.array([0.5, 0.9])).given
    array([ True,  True])
    >>> table.name_of("cat"), table.name_of("animal")
    ('Katze', 'animal')

    Raises:
        InputError: an unknown parent, a cycle, a threshold out of range, or an exclusive set that
            could not be kept; all of them are named.
    """

    rows: tuple[LabelRow, ...]

    def __post_init__(self) -> None:
        if problems := find_problems(self.rows):
            raise InputError("label table: " + "; ".join(problem.message for problem in problems))

    @classmethod
    def of(cls, labels: Iterable[str], rows: Iterable[LabelRow] = ()) -> LabelTable:
        """Return the table of ``labels``; those without a row in ``rows`` have the defaults.

        Raises:
            InputError: a row of something else, two rows of one label, or as for the class.
        """
        order, given = list(labels), list(rows)
        known = {row.label: row for row in given}
        for name in [row.label for row in given if row.label not in set(order)]:
            raise unknown_name("label", name, order)
        if len(known) < len(given):
            raise InputError("label table: a label has two rows; keep one of them")
        return cls(tuple(known.get(name) or LabelRow(name) for name in order))

    @property
    def labels(self) -> tuple[str, ...]:
        """The L labels, in their order."""
        return tuple(row.label for row in self.rows)

    @cached_property
    def is_default(self) -> bool:
        """Whether it says nothing that holds without a table."""
        return all(row == LabelRow(row.label) for row in self.rows)

    @cached_property
    def decides(self) -> bool:
        """Whether tags may be others than the labels with p >= t."""
        return any(not row.show or row.parents or row.exclusive for row in self.rows)

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """Which labels are ever given out (L,)."""
        return np.array([row.show for row in self.rows], bool)

    @property
    def parents(self) -> dict[str, list[str]]:
        """The parents of each label that has any."""
        return {row.label: list(row.parents) for row in self.rows if row.parents}

    def name_of(self, label: str) -> str:
        """Return what users read for a label."""
        return self._names.get(label, label)

    @cached_property
    def _own_thresholds(self) -> NDArray[np.float64]:
        own = [np.nan if row.threshold is None else row.threshold for row in self.rows]
        return np.array(own, np.float64)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {row.label: row.name for row in self.rows if row.name}

    @cached_property
    def has_names(self) -> bool:
        """Whether users read another name for some label."""
        return any(name != label for label, name in self._names.items())

    # rules

    def thresholds(self, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return fitted thresholds (L,) with those that the table sets in their place."""
        own = self._own_thresholds
        return np.where(np.isnan(own), np.asarray(fitted, np.float64), own)

    def close(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities ``(..., L)`` in which no parent is below its child (rule 1)."""
        closed = np.array(probabilities, np.float64)
        for child, parent in self._edges:
            closed[..., parent] = np.maximum(closed[..., parent], closed[..., child])
        return closed

    def decide(
        self, probabilities: NDArray[np.float64], thresholds: NDArray[np.float64]
    ) -> Decision:
        """Return the probabilities and tags of one image, from both (L,), by the rules above."""
        if not self.decides:
            return Decision(probabilities, probabilities >= thresholds)
        closed = self.close(probabilities)
        above = np.flatnonzero(closed >= thresholds)
        given = np.zeros(len(self.rows), bool)
        taken: dict[str, int] = {}  # exclusive set -> its label that is given
        for index in above[np.argsort(-closed[above], kind="stable")]:
            needed = self._with_ancestors[index]
            sets = [(self.rows[i].exclusive, i) for i in needed if self.rows[i].exclusive]
            if all(taken.get(name, i) == i for name, i in sets):
                given[needed] = True
                taken.update(sets)
        return Decision(closed, given & self.shown)

    def close_targets(self, targets: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return targets ``(N, L)`` in which all parents of a present label are present."""
        closed = targets.copy()
        for child, parent in self._edges:
            closed[closed[:, child] == 1, parent] = 1
        return closed

    def close_known(self, known: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return known labels ``(..., L)`` with what follows: 1 for parents, 0 for children.

        Raises:
            InputError: a label is known as present and one of its parents as absent.
        """
        closed = known.copy()
        for child, parent in self._edges:
            present = closed[..., child] == 1
            if (present & (closed[..., parent] == 0)).any():
                labels = self.labels
                raise InputError(
                    f"known= says that {labels[child]!r} is present and its parent "
                    f"{labels[parent]!r} absent; correct one of them"
                )
            closed[..., parent] = np.where(present, 1, closed[..., parent])
        for child, parent in reversed(self._edges):
            absent = closed[..., parent] == 0
            closed[..., child] = np.where(absent, 0, closed[..., child])
        return closed

    @cached_property
    def _edges(self) -> list[tuple[int, int]]:
        return find_edges(self.rows)

    @cached_property
    def _with_ancestors(self) -> list[list[int]]:
        return with_ancestors(self._edges, len(self.rows))

    # other labels

    def with_label(self, name: str) -> LabelTable:
        """Return the table with one more label at its end, with the defaults."""
        if name in self.labels:
            raise InputError(f"label table: there is a label {name!r} already; take another name")
        return LabelTable((*self.rows, LabelRow(name)))

    def with_parents(self, pairs: Iterable[tuple[str, str]]) -> LabelTable:
        """Return the table with more parents, as (child, parent)."""
        more: dict[str, list[str]] = {}
        for child, parent in pairs:
            more.setdefault(child, []).append(parent)
        rows = [(row, dict.fromkeys([*row.parents, *more.get(row.label, ())])) for row in self.rows]
        return LabelTable(tuple(replace(row, parents=tuple(above)) for row, above in rows))

    def without(self, name: str) -> LabelTable:
        """Return the table without a label; its children get its parents."""
        gone = self._row(name)
        rows = (self._replaced(row, {name: gone.parents}) for row in self.rows if row is not gone)
        return LabelTable(tuple(rows))

    def renamed(self, old: str, new: str) -> LabelTable:
        """Return the table with another name for a label; its row and its children stay."""
        self._row(old)
        if new != old and new in self.labels:
            raise InputError(f"label table: there is a label {new!r} already; merge the two")
        rows = (self._replaced(row, {old: (new,)}) for row in self.rows)
        return LabelTable(tuple(replace(r, label=new) if r.label == old else r for r in rows))

    def merged(self, names: Sequence[str], into: str) -> LabelTable:
        """Return the table with one label ``into`` in the place of the first of ``names``.

        It has the parents of all, is shown if one of them is, and is in an exclusive set if all of
        them are in it. Name and threshold are those of ``into``, if that is one of the labels.

        Raises:
            InputError: no such label, ``into`` is another label, or it would be its own parent.
        """
        merging = [self._row(name) for name in names]
        if into in self.labels and into not in names:
            raise InputError(f"label table: {into!r} is another label; add it to those to merge")
        own = next((row for row in merging if row.label == into), LabelRow(into))
        sets = {row.exclusive for row in merging}
        parents = [parent for row in merging for parent in row.parents if parent not in names]
        one = replace(
            own,
            show=any(row.show for row in merging),
            parents=tuple(dict.fromkeys(parents)),
            exclusive=sets.pop() if len(sets) == 1 else "",
        )
        first = min(self.labels.index(name) for name in names)
        to = dict.fromkeys(names, (into,))
        rows = [one if i == first else row for i, row in enumerate(self.rows)]
        kept = [row for row in rows if row is one or row.label not in names]
        return LabelTable(tuple(row if row is one else self._replaced(row, to) for row in kept))

    def aligned(self, labels: Sequence[str]) -> LabelTable:
        """Return the table of other ``labels``, with this one's row where it has one."""
        table = self
        for name in self.labels:
            if name not in labels:
                table = table.without(name)
        return LabelTable.of(labels, table.rows)

    def _row(self, name: str) -> LabelRow:
        for row in self.rows:
            if row.label == name:
                return row
        raise unknown_name("label", name, self.labels)

    @staticmethod
    def _replaced(row: LabelRow, to: Mapping[str, tuple[str, ...]]) -> LabelRow:
        """Return a row whose parents are replaced by others."""
        if not to.keys() & set(row.parents):
            return row
        parents = [new for parent in row.parents for new in to.get(parent, (parent,))]
        return replace(row, parents=tuple(dict.fromkeys(parents)))

    # in the metadata of exported files

    def to_json(self) -> str:
        """Return what differs from the defaults as a JSON list of objects."""
        plain = asdict(LabelRow(""))
        rows = [
            {k: v for k, v in asdict(row).items() if k == "label" or v != plain[k]}
            for row in self.rows
            if row != LabelRow(row.label)
        ]
        return json.dumps(rows, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, labels: Iterable[str]) -> LabelTable:
        """Read what :meth:`to_json` wrote, for a tagger's ``labels``.

        Raises:
            InputError: it is something else.
        """
        try:
            content: list[dict[str, Any]] = parse_json(text)
            rows = [
                LabelRow(**{**row, "parents": tuple(row.get("parents", ()))}) for row in content
            ]
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"label table: it is damaged ({error}); export the tagger again"
            ) from None
        return cls.of(labels, rows)

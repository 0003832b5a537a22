"""The rows of a label table, and everything that can be wrong with them.

Letters: L labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from imlgcn.errors import nearest


@dataclass(frozen=True)
class LabelRow:
    """What is said of one label.

    Attributes:
        label: as the tagger calls it.
        show: whether it is ever given out.
        name: what users read, in any language; empty: the label.
        parents: labels that every image with this one has as well.
        threshold: on the calibrated probability, 0 to 1; None: the fitted one.
        exclusive: name of a set of which at most one label is given; empty: none.
    """

    label: str
    show: bool = True
    name: str = ""
    parents: tuple[str, ...] = ()
    threshold: float | None = None
    exclusive: str = ""


COLUMNS = tuple(field.name for field in fields(LabelRow))


class Problem(NamedTuple):
    """What is wrong with one row, by its position."""

    row: int
    message: str


def find_edges(rows: Sequence[LabelRow]) -> list[tuple[int, int]]:
    """Return each (child, parent) by position; all edges into a label come before those out of it.

    Edges of labels in a cycle, or above one, are left out, and parents without a row.
    """
    index = {row.label: number for number, row in enumerate(rows)}
    above = [[index[name] for name in dict.fromkeys(r.parents) if name in index] for r in rows]
    left = [0] * len(rows)  # children that are not done
    for parents in above:
        for parent in parents:
            left[parent] += 1
    ready, edges = [number for number, count in enumerate(left) if not count], []
    while ready:
        child = ready.pop()
        for parent in above[child]:
            edges.append((child, parent))
            left[parent] -= 1
            if not left[parent]:
                ready.append(parent)
    return edges


def with_ancestors(edges: Sequence[tuple[int, int]], L: int) -> list[list[int]]:
    """Return for each of L labels its position with those of everything above it, sorted.

    >>> with_ancestors([(0, 1), (1, 2)], 3)
    [[0, 1, 2], [1, 2], [2]]
    """
    found = [{number} for number in range(L)]
    for child, parent in reversed(edges):  # from the top down
        found[child] |= found[parent]
    return [sorted(positions) for positions in found]


def find_problems(rows: Sequence[LabelRow]) -> list[Problem]:
    """Return everything that is wrong with rows of different labels, in the order of the rows."""
    known = {row.label for row in rows}
    problems = [
        Problem(
            number, f"the parent {parent!r} of {row.label!r} is not a label{nearest(parent, known)}"
        )
        for number, row in enumerate(rows)
        for parent in row.parents
        if parent not in known
    ]
    for number, row in enumerate(rows):
        if row.threshold is not None and not 0 <= row.threshold <= 1:  # NaN as well
            what = f"the threshold of {row.label!r} must be from 0 to 1; got {row.threshold:g}"
            problems.append(Problem(number, what))
    index = {row.label: number for number, row in enumerate(rows)}
    cycles = [
        Problem(
            index[cycle[0]],
            f"a label cannot be above itself: {' > '.join(cycle)}; remove one of these parents",
        )
        for cycle in _cycles({row.label: [p for p in row.parents if p in known] for row in rows})
    ]
    problems += cycles or _conflicts(rows)
    return sorted(problems, key=lambda problem: problem.row)


def _cycles(above: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield cycles, child > parent > ... > child; none are left if each loses an edge."""
    done: set[str] = set()
    for start in above:
        path = [] if start in done else [start]
        waiting = [iter(above[label]) for label in path]  # the parents to go through, of each
        while path:
            parent = next(waiting[-1], None)
            if parent is None:
                done.add(path.pop())
                waiting.pop()
            elif parent in path:
                yield [*path[path.index(parent) :], parent]
            elif parent not in done:
                path.append(parent)
                waiting.append(iter(above[parent]))


def _conflicts(rows: Sequence[LabelRow]) -> Iterator[Problem]:
    """Yield labels that could never be given: they and those above them exclude each other."""
    for number, needed in enumerate(with_ancestors(find_edges(rows), len(rows))):
        label = rows[number].label
        members: dict[str, list[str]] = {}
        for i in needed:
            if rows[i].exclusive:
                members.setdefault(rows[i].exclusive, []).append(rows[i].label)
        for name, found in members.items():
            if len(found) > 1:
                both = f"the exclusive set {name!r} holds {' and '.join(map(repr, found))}, "
                own = (
                    f"{label!r} and what is above it" if label in found else f"all above {label!r}"
                )
                yield Problem(
                    number, f"{both}{own}, which are given together; take one of them out"
                )

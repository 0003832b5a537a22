"""The label table: what its rules promise for any table, and how it follows the labels."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels.label_rows import LabelRow, find_edges
from imlgcn.labels.label_table import LabelTable
from label_tables import random_table

ANIMALS = (
    LabelRow("dog", parents=("mammal",)),
    LabelRow("mammal", parents=("animal",), name="Säugetier"),
    LabelRow("animal", threshold=0.9),
    LabelRow("indoor", exclusive="place"),
    LabelRow("outdoor", exclusive="place"),
    LabelRow("noise", show=False),
)
HALVES = np.full(6, 0.5)


def table_of(*rows: LabelRow) -> LabelTable:
    return LabelTable(rows or ANIMALS)


def slowly(table: LabelTable, p, t) -> set[str]:
    """The rules again, with names and recursion."""
    rows = {row.label: row for row in table.rows}
    p, t = dict(zip(table.labels, p, strict=True)), dict(zip(table.labels, t, strict=True))

    def below(label):
        return {label}.union(*(below(r.label) for r in table.rows if label in r.parents))

    def above(label):
        return {label}.union(*(above(parent) for parent in rows[label].parents))

    p = {label: max(p[other] for other in below(label)) for label in rows}
    given: set[str] = set()
    for label in sorted(rows, key=lambda label: -p[label]):
        together = given | above(label)
        sets = [rows[name].exclusive for name in together if rows[name].exclusive]
        if p[label] >= t[label] and len(sets) == len(set(sets)):
            given = together
    return {label for label in given if rows[label].show}


@pytest.mark.parametrize("seed", range(60))
def test_for_any_table_no_tag_lacks_its_parents_and_no_set_has_two(seed):
    generator = np.random.default_rng(seed)
    table = random_table(generator)
    L = len(table.rows)
    for _ in range(10):
        p, t = generator.random(L), generator.random(L)
        scores, given = table.decide(p, t)
        tags = {name for name, tagged in zip(table.labels, given, strict=True) if tagged}
        assert tags == slowly(table, p, t)
        hidden = {row.label for row in table.rows if not row.show}
        assert not tags & hidden
        for row in table.rows:
            if row.label in tags:
                assert set(row.parents) <= tags | hidden
        sets = [row.exclusive for row in table.rows if row.label in tags and row.exclusive]
        assert len(sets) == len(set(sets))
        for child, parent in find_edges(table.rows):
            assert scores[parent] >= scores[child]
        assert (scores >= p).all()


@pytest.mark.parametrize("seed", range(20))
def test_closing_targets_makes_parents_present_and_changes_nothing_else(seed):
    generator = np.random.default_rng(seed)
    table = random_table(generator)
    targets = generator.integers(-1, 2, (30, len(table.rows))).astype(np.int8)
    closed = table.close_targets(targets)
    for child, parent in find_edges(table.rows):
        assert (closed[closed[:, child] == 1, parent] == 1).all()
    assert (closed[closed != targets] == 1).all()
    assert (table.close_targets(closed) == closed).all()
    leaves = [i for i in range(len(table.rows)) if all(i != p for _, p in find_edges(table.rows))]
    assert (closed[:, leaves] == targets[:, leaves]).all()


def test_a_child_brings_its_parents_whatever_their_thresholds_are():
    p = np.array([0.7, 0.1, 0.2, 0.1, 0.1, 0.1])
    scores, given = table_of().decide(p, table_of().thresholds(HALVES))
    assert given.tolist() == [True, True, True, False, False, False]
    assert scores.tolist() == [0.7, 0.7, 0.7, 0.1, 0.1, 0.1]


def test_of_a_set_the_most_probable_is_given_and_a_loser_takes_its_children_along():
    rows = (
        LabelRow("beach", parents=("outdoor",)),
        LabelRow("indoor", exclusive="place"),
        LabelRow("outdoor", exclusive="place"),
    )
    table, t = LabelTable(rows), np.array([0.5, 0.5, 0.5])
    assert table.decide(np.array([0.6, 0.7, 0.1]), t).given.tolist() == [False, True, False]
    assert table.decide(np.array([0.8, 0.7, 0.1]), t).given.tolist() == [True, False, True]


def test_a_hidden_label_is_never_given_but_its_parents_are_and_it_fills_its_set():
    rows = (
        LabelRow("pug", show=False, parents=("dog",)),
        LabelRow("dog"),
        LabelRow("none", show=False, exclusive="people"),
        LabelRow("crowd", exclusive="people"),
    )
    given = LabelTable(rows).decide(np.array([0.9, 0.1, 0.8, 0.7]), np.full(4, 0.5)).given
    assert given.tolist() == [False, True, False, False]


def test_the_default_table_decides_by_the_thresholds_and_returns_the_same_array():
    table, p = LabelTable.of(["a", "b"]), np.array([0.5, 0.1])
    scores, given = table.decide(p, np.array([0.5, 0.2]))
    assert scores is p
    assert given.tolist() == [True, False]
    assert table.is_default
    assert not table.decides


def test_a_threshold_of_the_table_replaces_the_fitted_one():
    fitted = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert table_of().thresholds(fitted).tolist() == [0.1, 0.2, 0.9, 0.4, 0.5, 0.6]


def test_what_is_known_of_a_label_holds_for_those_above_or_below_it():
    known = np.array([[1, -1, -1, -1, -1, -1], [-1, 0, -1, -1, -1, -1]], np.int8)
    closed = table_of().close_known(known)
    assert closed.tolist() == [[1, 1, 1, -1, -1, -1], [0, 0, -1, -1, -1, -1]]
    with pytest.raises(InputError, match=r"'dog' is present and its parent 'mammal' absent"):
        table_of().close_known(np.array([1, 0, -1, -1, -1, -1], np.int8))


# what is refused


def test_every_problem_is_named_at_once():
    rows = (
        LabelRow("a", parents=("b",)),
        LabelRow("b", parents=("c",)),
        LabelRow("c", parents=("a",), threshold=1.5),
        LabelRow("dog", parents=("anmal",), threshold=float("nan")),
        LabelRow("animal"),
    )
    with pytest.raises(InputError) as caught:
        LabelTable(rows)
    message = str(caught.value)
    for words in (
        "a > b > c > a",
        "'anmal' of 'dog' is not a label; did you mean 'animal'?",
        "threshold of 'c' must be from 0 to 1; got 1.5",
        "threshold of 'dog' must be from 0 to 1; got nan",
    ):
        assert words in message


def test_a_label_that_is_its_own_parent_is_a_cycle():
    with pytest.raises(InputError, match="a > a;"):
        LabelTable((LabelRow("a", parents=("a",)),))


def test_a_set_that_could_never_be_kept_is_refused_with_its_labels():
    rows = (LabelRow("dog", parents=("animal",), exclusive="x"), LabelRow("animal", exclusive="x"))
    with pytest.raises(InputError, match="exclusive set 'x' holds 'dog' and 'animal'"):
        LabelTable(rows)
    both = (
        LabelRow("tomato", parents=("fruit", "vegetable")),
        LabelRow("fruit", exclusive="kind"),
        LabelRow("vegetable", exclusive="kind"),
    )
    with pytest.raises(InputError, match="'fruit' and 'vegetable', all above 'tomato'"):
        LabelTable(both)


def test_a_deep_chain_is_no_problem():
    rows = [LabelRow(f"{i}", parents=(f"{i + 1}",)) for i in range(3000)]
    table = LabelTable((*rows, LabelRow("3000")))
    assert table.close(np.eye(1, 3001)[0]).sum() == 3001
    with pytest.raises(InputError, match="cannot be above itself"):
        LabelTable((*rows, LabelRow("3000", parents=("0",))))


# labels that come and go


def test_a_new_label_has_the_defaults():
    assert table_of().with_label("cat").rows == (*ANIMALS, LabelRow("cat"))
    with pytest.raises(InputError, match="'dog' already"):
        table_of().with_label("dog")


def test_the_children_of_a_removed_label_get_its_parents():
    rows = table_of().without("mammal").rows
    assert rows[0] == LabelRow("dog", parents=("animal",))
    assert [row.label for row in rows] == ["dog", "animal", "indoor", "outdoor", "noise"]


def test_a_renamed_label_keeps_its_row_and_its_children():
    rows = table_of().renamed("mammal", "mammals").rows
    assert rows[0].parents == ("mammals",)
    assert rows[1] == LabelRow("mammals", parents=("animal",), name="Säugetier")
    with pytest.raises(InputError, match="'dog' already"):
        table_of().renamed("mammal", "dog")


def test_merged_labels_have_the_parents_of_all_and_the_place_of_the_first():
    rows = (
        LabelRow("pup", parents=("young",), show=False),
        LabelRow("dog", parents=("animal",), threshold=0.3, name="Hund"),
        LabelRow("young"),
        LabelRow("animal"),
        LabelRow("pug", parents=("dog",)),
    )
    merged = LabelTable(rows).merged(["pup", "dog"], into="dog").rows
    assert merged[0] == LabelRow("dog", True, "Hund", ("young", "animal"), 0.3)
    assert merged[3] == LabelRow("pug", parents=("dog",))
    assert len(merged) == 4
    other = LabelTable(rows).merged(["pup", "dog"], into="canine").rows
    assert other[0] == LabelRow("canine", parents=("young", "animal"))
    with pytest.raises(InputError, match="'animal' is another label"):
        LabelTable(rows).merged(["pup", "dog"], into="animal")
    with pytest.raises(InputError, match="dog > a > dog"):
        LabelTable(rows).merged(["pug", "animal"], into="a")


def test_a_table_of_other_labels_keeps_the_rows_that_stay():
    table = table_of().aligned(["new", "animal", "dog"])
    expected = (LabelRow("new"), ANIMALS[2], LabelRow("dog", parents=("animal",)))
    assert table.rows == expected


@pytest.mark.parametrize("seed", range(10))
def test_a_table_in_metadata_is_the_same_table(seed):
    table = random_table(np.random.default_rng(seed))
    assert LabelTable.from_json(table.to_json(), table.labels) == table
    assert LabelTable.from_json(table_of().to_json(), table_of().labels) == table_of()


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"label": 1, "x": 2}]', '{"a": "b"}'])
def test_damaged_metadata_are_refused(text):
    with pytest.raises(InputError, match="damaged"):
        LabelTable.from_json(text, ["a"])


def test_a_row_of_something_else_is_refused():
    with pytest.raises(InputError, match="unknown label 'dgo'; did you mean 'dog'"):
        LabelTable.of(["dog", "cat"], [LabelRow("dgo")])
    with pytest.raises(InputError, match="two rows"):
        LabelTable.of(["dog", "cat"], [LabelRow("dog"), LabelRow("dog", show=False)])

"""What a run adds to lists of keywords, what it takes back, and what it leaves to a person."""

from __future__ import annotations

import pytest

from imlgcn.data.xmp import Keywords
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.labels.paths import MOST_PATHS, NamedPaths, paths_of
from imlgcn.prediction.keyword_lists import (
    HIERARCHICAL,
    KINDS,
    SUBJECT,
    TAGS_LIST,
    Listed,
    updated,
)

NOTHING = Keywords()
DOG = NamedPaths("dog", (("animal", "dog"),))
SEA = NamedPaths("sea", (("sea",),))
TWO = NamedPaths("kelpie", (("pet", "kelpie"), ("animal", "dog", "kelpie")))


def start(subject=None, tags_list=None, hierarchical=None):
    """Return the lists of a file that nothing was written to."""
    given = zip(KINDS, (subject, tags_list, hierarchical), strict=True)
    return {kind: Listed(None if one is None else tuple(one)) for kind, one in given}


def entries(lists):
    return [lists[kind].entries for kind in KINDS]


def edited(lists, kind, *, out=(), new=()):
    """Return the lists after a person has changed one of them."""
    kept = tuple(entry for entry in lists[kind].entries or () if entry not in out)
    one = Listed(kept + tuple(new) or None, lists[kind].written, lists[kind].removed)
    return {**lists, kind: one}


def test_all_paths_are_written_in_the_signs_of_each_list():
    lists = updated(start(), [TWO, SEA], NOTHING)
    assert entries(lists) == [
        ("kelpie", "sea"),
        ("pet/kelpie", "animal/dog/kelpie", "sea"),
        ("pet|kelpie", "animal|dog|kelpie", "sea"),
    ]


def test_without_parents_there_is_only_the_plain_list():
    assert entries(updated(start(), [SEA], NOTHING)) == [("sea",), None, None]


def test_a_second_run_takes_back_what_it_wrote_and_no_more():
    lists = updated(start(["beach"]), [DOG, SEA], NOTHING)
    lists = updated(lists, [SEA], NOTHING)
    assert entries(lists) == [("beach", "sea"), ("beach", "sea"), ("beach", "sea")]
    lists = updated(lists, [], NOTHING)
    assert entries(lists) == [("beach",), ("beach",), ("beach",)]
    assert all(not lists[kind].written for kind in KINDS)


def test_a_run_with_the_same_tags_changes_nothing():
    once = updated(start(["beach"]), [DOG, SEA, TWO], NOTHING)
    assert updated(once, [DOG, SEA, TWO], NOTHING) == once


def test_other_parents_replace_the_paths_of_the_earlier_ones():
    lists = updated(start(), [DOG], NOTHING)
    lists = updated(lists, [NamedPaths("dog", (("pet", "dog"),))], NOTHING)
    assert entries(lists) == [("dog",), ("pet/dog",), ("pet|dog",)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_that_a_person_took_out_of_any_list_stays_out_of_all(kind):
    first = updated(start(), [DOG, SEA], NOTHING)
    lists = edited(first, kind, out=(first[kind].entries[0],))
    for tags in ([DOG, SEA], [SEA], [DOG, SEA]):  # its score falls and rises again
        lists = updated(lists, tags, NOTHING)
        assert entries(lists) == [("sea",), ("sea",), ("sea",)]


def test_the_last_tag_that_is_taken_out_takes_its_list_along_and_stays_out():
    lists = edited(updated(start(), [DOG], NOTHING), TAGS_LIST, out=("animal/dog",))
    assert lists[TAGS_LIST].entries is None
    assert entries(updated(lists, [DOG], NOTHING)) == [(), None, ()]


def test_a_keyword_that_a_person_gives_again_is_theirs_for_good():
    lists = edited(updated(start(), [SEA], NOTHING), SUBJECT, out=("sea",), new=("beach",))
    lists = edited(updated(lists, [SEA], NOTHING), SUBJECT, new=("sea",))
    for tags in ([SEA], []):
        lists = updated(lists, tags, NOTHING)
        assert lists[SUBJECT].entries == ("beach", "sea")


@pytest.mark.parametrize("kind", KINDS)
def test_a_keyword_that_is_given_again_in_one_list_is_in_all_of_them(kind):
    first = updated(start(["beach"]), [DOG], NOTHING)
    lists = edited(first, SUBJECT, out=("dog",))
    lists = edited(updated(lists, [DOG], NOTHING), kind, new=(kind.entry(DOG.paths[0]),))
    for tags in ([DOG], []):
        lists = updated(lists, tags, NOTHING)
        assert entries(lists) == entries(first)


def test_a_tag_that_is_also_a_persons_keyword_stays_out_of_the_list_it_was_taken_out_of():
    lists = updated(start(["dog"]), [DOG, SEA], NOTHING)
    lists = edited(lists, TAGS_LIST, out=("animal/dog",))
    for _ in range(2):
        lists = updated(lists, [DOG, SEA], NOTHING)
        assert entries(lists) == [("dog", "sea"), ("sea",), ("animal|dog", "sea")]


def test_a_keyword_that_was_there_is_never_taken_out():
    lists = updated(start(["Dog"]), [DOG], NOTHING)
    assert entries(lists) == [("Dog",), ("animal/dog",), ("animal|dog",)]
    after = updated(lists, [], NOTHING)
    assert entries(after) == entries(lists)  # where lists with levels would hide it


def test_a_tag_that_a_person_moved_below_another_keyword_stays_there():
    lists = updated(start(), [DOG], NOTHING)
    lists = edited(lists, HIERARCHICAL, out=("animal|dog",), new=("mine|dog",))
    lists = updated(lists, [DOG], NOTHING)
    assert lists[HIERARCHICAL].entries == ("mine|dog",)
    assert lists[SUBJECT].entries == ("dog",)
    assert updated(lists, [], NOTHING)[SUBJECT].entries == ("dog",)


def test_a_new_list_with_levels_has_the_keywords_of_the_others():
    lists = updated(start(["beach", "sea"]), [DOG], NOTHING)
    assert entries(lists) == [
        ("beach", "sea", "dog"),
        ("beach", "sea", "animal/dog"),
        ("beach", "sea", "animal|dog"),
    ]


def test_levels_of_another_list_are_not_repeated_at_the_top():
    lists = updated(start(["Places", "Beach"], ["Places/Beach"]), [DOG], NOTHING)
    assert lists[HIERARCHICAL].entries == ("Places|Beach", "animal|dog")


def test_digikams_list_is_not_added_beside_lightrooms():
    lists = updated(start(["Beach"], None, ["Places|Beach"]), [DOG], NOTHING)
    assert entries(lists) == [("Beach", "dog"), None, ("Places|Beach", "animal|dog")]


def test_keywords_inside_the_image_are_taken_over_once():
    inside = Keywords(("Beach", "sea"), (("Places", "Beach"),))
    lists = updated(start(), [SEA], inside)
    assert entries(lists) == [
        ("Beach", "sea"),
        ("Places/Beach", "sea"),
        ("Places|Beach", "sea"),
    ]
    assert updated(lists, [], inside)[SUBJECT].entries == ("Beach", "sea")  # a person's
    lists = edited(lists, SUBJECT, out=("Beach",))
    assert updated(lists, [SEA], inside)[SUBJECT].entries == ("sea",)


def test_keywords_inside_the_image_do_not_come_back_once_a_person_emptied_the_list():
    inside = Keywords(("Beach",))
    lists = edited(updated(start(), [SEA], inside), SUBJECT, out=("Beach", "sea"))
    tree = NamedPaths("tree", ())
    assert updated(lists, [SEA, tree], inside)[SUBJECT].entries == ("tree",)


def test_nothing_is_taken_over_where_nothing_is_written():
    assert entries(updated(start(), [], Keywords(("Beach",)))) == [None, None, None]


@pytest.mark.parametrize(
    ("name", "tags_list", "hierarchical"),
    [("24/7", "time/24\\7", "time|24/7"), ("a|b", "time/a|b", "time|a/b")],
)
def test_the_sign_between_levels_is_replaced_within_one(name, tags_list, hierarchical):
    tag = NamedPaths(name, (("time", name),))
    lists = updated(start(), [tag], NOTHING)
    assert entries(lists) == [(name,), (tags_list,), (hierarchical,)]
    assert updated(lists, [tag], NOTHING) == lists
    assert entries(updated(lists, [], NOTHING)) == [(), (), ()]


def test_spellings_of_one_keyword_are_one():
    mew = NamedPaths("M\u00f6we", ())
    assert updated(start(["Mo\u0308we"]), [mew], NOTHING)[SUBJECT].entries == ("Mo\u0308we",)
    lists = updated(start(), [mew], NOTHING)
    lists = {**lists, SUBJECT: Listed(("Mo\u0308we",), lists[SUBJECT].written)}
    assert updated(lists, [], NOTHING)[SUBJECT].entries == ()


def test_hidden_parents_are_left_out_of_paths_and_names_are_those_of_users():
    rows = [
        LabelRow("dog", name="Hund", parents=("mammal",)),
        LabelRow("mammal", show=False, parents=("animal",)),
        LabelRow("animal", name="Tier"),
        LabelRow("none", show=False),
        LabelRow("dust", parents=("none",)),
    ]
    paths = paths_of(LabelTable.of([row.label for row in rows], rows))
    assert paths("dog") == NamedPaths("Hund", (("Tier", "Hund"),))
    assert paths("dust") == NamedPaths("dust", (("dust",),))


def test_parents_that_double_the_paths_do_not_fill_the_memory():
    rows = [LabelRow(f"{side}0") for side in "ab"]
    rows += [
        LabelRow(f"{s}{n}", parents=(f"a{n - 1}", f"b{n - 1}")) for n in range(1, 40) for s in "ab"
    ]
    found = paths_of(LabelTable.of([row.label for row in rows], rows))("a39").paths
    assert len(set(found)) == MOST_PATHS
    assert {len(path) for path in found} == {40}

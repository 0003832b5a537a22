"""Parents proposed from the data: only what nearly all images show, and nothing twice."""

from __future__ import annotations

import numpy as np

from imlgcn.labels.parents import MIN_IMAGES, propose_parents

PUG, DOG, ANIMAL, COMMON = range(4)


def targets_of(*counts: tuple[int, tuple[int, ...]]) -> np.ndarray:
    """Return targets of so many images with these labels present."""
    rows = []
    for count, present in counts:
        row = np.zeros(4, np.int8)
        row[list(present)] = 1
        rows += [row] * count
    return np.array(rows)


def pairs(targets) -> list[tuple[str, str]]:
    names = ("pug", "dog", "animal", "common")
    return [(pair.child, pair.parent) for pair in propose_parents(names, targets)]


def test_a_chain_is_proposed_without_the_step_that_follows():
    targets = targets_of((30, (PUG, DOG, ANIMAL)), (30, (DOG, ANIMAL)), (30, (ANIMAL,)), (300, ()))
    assert pairs(targets) == [("dog", "animal"), ("pug", "dog")]


def test_levels_of_the_data_come_first_however_few_their_images_are():
    targets = targets_of((30, (DOG, ANIMAL)), (30, (ANIMAL,)), (1, (PUG,)), (300, ()))
    names = ("pug", "dog", "animal", "common")
    found = propose_parents(names, targets, [("pug", "dog"), ("pug", "gone")])
    assert [(p.child, p.parent, p.in_levels) for p in found] == [
        ("pug", "dog", True),
        ("dog", "animal", False),
    ]


def test_what_levels_say_is_proposed_once_and_its_opposite_never():
    targets = targets_of((30, (PUG, DOG, ANIMAL)), (30, (DOG, ANIMAL)), (30, (ANIMAL,)), (300, ()))
    names = ("pug", "dog", "animal", "common")
    same = propose_parents(names, targets, [("pug", "dog"), ("dog", "animal")])
    assert [(p.child, p.parent) for p in same] == [("pug", "dog"), ("dog", "animal")]
    other = propose_parents(names, targets, [("animal", "dog"), ("dog", "pug")])
    assert [(p.child, p.parent) for p in other] == [("animal", "dog"), ("dog", "pug")]


def test_few_images_and_an_exception_too_many_propose_nothing():
    few = MIN_IMAGES - 1
    assert pairs(targets_of((few, (PUG, DOG)), (50, (DOG,)), (300, ()))) == []
    assert pairs(targets_of((97, (PUG, DOG)), (3, (PUG,)), (50, (DOG,)), (300, ()))) == []
    assert pairs(targets_of((98, (PUG, DOG)), (2, (PUG,)), (50, (DOG,)), (300, ()))) != []


def test_a_label_found_with_any_other_is_above_none():
    assert pairs(targets_of((25, (PUG, COMMON)), (300, (COMMON,)), (20, ()))) == []


def test_two_names_of_one_thing_are_above_neither():
    assert pairs(targets_of((60, (DOG, ANIMAL)), (1, (ANIMAL,)), (300, ()))) == []


def test_an_image_where_the_parent_is_unknown_says_nothing():
    targets = targets_of((30, (PUG, DOG)), (30, (PUG,)), (40, (DOG,)), (300, ()))
    assert pairs(targets) == []
    targets[30:60, DOG] = -1
    assert pairs(targets) == [("pug", "dog")]

"""A column that the user names groups images, together with the groups that the data has."""

from pathlib import Path

import pytest

from imlgcn.data.formats import Record
from imlgcn.data.record_groups import group_records
from imlgcn.errors import InputError


def records(groups, patients):
    return [
        Record(f"{n}.jpg", Path(f"{n}.jpg"), ("dog",), group=group, fields={"Patient": patient})
        for n, (group, patient) in enumerate(zip(groups, patients, strict=True))
    ]


@pytest.mark.parametrize(
    ("groups", "patients", "joined"),
    [
        ([None] * 4, ["x", "y", "x", ""], ["x", "y", "x", None]),
        (["a", "b", "b", None], ["x", "x", "y", "y"], ["x", "x", "x", "x"]),
        (["a", "b", "a", None], ["x", "y", "", "z"], ["x", "y", "x", "z"]),
        (["a", "b", None, "a"], ["", "y", "", ""], ["a", "y", None, "a"]),
    ],
)
def test_images_stay_together_by_the_column_and_by_their_own_group(groups, patients, joined):
    found = group_records(records(groups, patients), "patient")
    assert [record.group for record in found] == joined
    assert all(not record.fields for record in found)


def test_the_own_groups_may_be_named_and_an_unknown_column_is_refused_with_all():
    made = records(["a", None], ["x", "y"])
    assert group_records(made, "Group") == made
    with pytest.raises(InputError, match=r"'artist' to group by .*; it has group, Patient"):
        group_records(made, "artist")

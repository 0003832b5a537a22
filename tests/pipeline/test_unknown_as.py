"""``unknown_as``: what an unknown target is where it is learnt; nothing is judged by one."""

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.data.ready import unknown_as_absent
from imlgcn.errors import InputError


@pytest.fixture
def half_known(rewrite):
    """The shapes; two of three images that are not dark say that dark is unknown."""
    count = iter(range(1000))

    def change(row):
        image, labels, split = row
        if "dark" not in labels and next(count) % 3:
            return image, f"{labels};?dark", split
        return row

    return rewrite(change)


def test_only_unknown_targets_of_the_chosen_splits_become_absent(half_known):
    data = load_dataset(half_known)
    found = unknown_as_absent(data, ("train",))
    train = np.array([record.split == "train" for record in data.records])
    np.testing.assert_array_equal(found.targets[train], np.maximum(data.targets[train], 0))
    np.testing.assert_array_equal(found.targets[~train], data.targets[~train])


@pytest.mark.parametrize("head", ["kernel", "linear"])
def test_unknown_targets_are_learnt_as_absent_but_not_judged(
    train_tiny, tmp_path, half_known, head
):
    how = {"ignore": {}, "negative": {"unknown_as": "negative"}}
    found = {
        name: train_tiny(tmp_path / name, half_known, head=head, **options)
        for name, options in how.items()
    }
    kept = {name: tagger.folder.support(features=False) for name, tagger in found.items()}
    assert (kept["ignore"].targets < 0).any()
    assert not (kept["negative"].targets < 0).any()
    scored = {name: tagger.folder.scores.fitted() for name, tagger in found.items()}
    for each in scored.values():  # the data's own targets, unknown ones as they are
        assert (each.targets < 0).any()
    dark = found["ignore"].labels.index("dark")
    test = {name: tagger.folder.scores.split("test").logits for name, tagger in found.items()}
    assert not np.array_equal(test["negative"][:, dark], test["ignore"][:, dark])
    if head == "kernel":  # exact: the tiny training of the linear head hardly moves
        assert test["negative"][:, dark].mean() < test["ignore"][:, dark].mean()


def test_another_word_is_refused(train_tiny, tmp_path):
    with pytest.raises(InputError, match="setting 'unknown_as': expected 'ignore' or 'negative'"):
        train_tiny(tmp_path / "run", unknown_as="absent")

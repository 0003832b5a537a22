"""What training keeps of the training images, and what it keeps out of the folder when told to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.models.falkon import Falkon
from imlgcn.models.kernel_regression import unit_roots
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import SCORES, SUPPORT


@pytest.fixture(scope="module")
def kernel(once, train_tiny):
    """A trained tagger with the kernel head; read only."""
    return Tagger.load(once("kernel", lambda folder: train_tiny(folder, head="kernel", whole=True)))


def learnt(data):
    """Return the images of train and val, in the order of the data."""
    dataset = load_dataset(data)
    return dataset.select(i for i, r in enumerate(dataset.records) if r.split != "test")


def test_the_rows_are_the_learnt_images_in_the_order_of_the_heads_own(kernel, shapes):
    found = kernel.folder.support()
    assert found.images == tuple(record.name for record in learnt(shapes).records)
    np.testing.assert_array_equal(found.targets, learnt(shapes).targets)
    assert len(set(found.folds)) == 5
    for group in set(found.groups):
        assert len(set(found.folds[found.groups == group])) == 1
    head = kernel.classifier().head
    units = unit_roots(torch.tensor(found.features).float())
    kept = torch.nn.functional.normalize(head.support.float(), dim=1)  # beside stages it is shorter
    torch.testing.assert_close(units, kept, atol=3e-3, rtol=0)


def test_every_head_keeps_its_training_images(tagger, linear_tagger, shapes):
    images = len(learnt(shapes))
    for each in (tagger, linear_tagger):
        found = each.folder.support()
        assert len(found.images) == images
        assert found.features.shape == (images, each.classifier().backbone.out_channels)


def test_there_are_no_thumbnails_unless_asked_for(kernel):
    assert kernel.folder.support().thumbnails == {}


def test_thumbnails_asked_for_are_kept_of_the_images_with_the_largest_weights(train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", head="kernel", keep_thumbnails=True)
    strongest = set(found.classifier().head.weights.abs().argmax(0).tolist())
    kept = found.folder.support().thumbnails
    assert strongest <= set(kept)
    assert all(picture[8:12] == b"WEBP" for picture in kept.values())


def test_a_head_that_does_not_score_by_images_has_no_thumbnails(train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", head="linear", keep_thumbnails=True)
    assert found.folder.support().thumbnails == {}


def test_the_same_data_gives_the_same_bytes(kernel, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "again", head="kernel")
    assert (again.path / SUPPORT).read_bytes() == (kernel.path / SUPPORT).read_bytes()


@pytest.mark.parametrize("head", ["kernel", "linear"])
def test_switched_off_no_file_of_the_folder_names_a_training_image(
    head, train_tiny, tmp_path, rewrite, shapes
):
    """Names are long here, so that none is found by chance; scores are in a compressed file."""
    splits = {"train": 0, "val": 0, "test": 0}
    for record in load_dataset(shapes).records:
        name = tmp_path / f"secret-{record.split}-{record.name}"
        name.write_bytes(record.path.read_bytes())
        splits[record.split] += 1

    def renamed(row):
        return (str(tmp_path / f"secret-{row[2]}-{row[0]}"), *row[1:])

    data = rewrite(renamed)
    found = train_tiny(tmp_path / "run", data, head=head, keep_support=False, whole=True)
    assert not (found.path / SUPPORT).exists()
    for path in found.path.iterdir():
        for split in ("train", "val"):
            assert f"secret-{split}".encode() not in path.read_bytes(), path.name
    assert (found.path / SCORES).is_file()
    for split, count in splits.items():
        named = set(found.folder.scores.split(split).images)
        assert len(named) == count
        assert all(("secret" in name) == (split == "test") for name in named)


def test_pictures_without_names_are_refused_before_any_work(train_tiny, tmp_path):
    with pytest.raises(InputError, match=r"keep_thumbnails=True .* keep_support=False"):
        train_tiny(tmp_path / "run", keep_thumbnails=True, keep_support=False)
    assert not (tmp_path / "run").exists()


def test_a_run_that_replaces_another_does_not_leave_its_file(train_tiny, tmp_path):
    train_tiny(tmp_path / "run", head="linear")
    train_tiny(tmp_path / "run", head="linear", keep_support=False, replace=True)
    assert not (tmp_path / "run" / SUPPORT).exists()


def test_landmarks_come_first_in_the_order_of_the_head(train_tiny, tmp_path, shapes, monkeypatch):
    monkeypatch.setattr("imlgcn.models.kernel_fit.EXACT_IMAGES", 30)
    monkeypatch.setitem(Falkon.__init__.__kwdefaults__, "most", 20)
    found = train_tiny(tmp_path / "run", head="kernel")
    head, kept = found.classifier().head, found.folder.support()
    assert len(head.support) == 20
    assert len(kept.images) == len(set(kept.images)) == 60
    units = unit_roots(torch.tensor(kept.features[:20]).float())
    own = torch.nn.functional.normalize(head.support.float(), dim=1)
    torch.testing.assert_close(units, own, atol=3e-3, rtol=0)
    records = {record.name: row for row, record in enumerate(learnt(shapes).records)}
    expected = learnt(shapes).targets[[records[name] for name in kept.images]]
    np.testing.assert_array_equal(kept.targets, expected)

"""Which training images have a thumbnail in the tagger folder, and what is in it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from imlgcn.training import support
from imlgcn.training.support import strongest_rows, thumbnail


def test_the_strongest_of_every_label_come_before_the_second_of_any():
    weights = np.zeros((90, 2))
    weights[:, 0] = np.arange(90)
    weights[:, 1] = np.arange(90)[::-1]
    rows = strongest_rows(weights)
    assert rows[:4] == [89, 0, 88, 1]
    assert sorted(rows) == [*range(30), *range(60, 90)], "30 of each label"


def test_equal_weights_are_taken_in_their_order():
    assert strongest_rows(np.ones((3, 2))) == [0, 1, 2]


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 256, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return [tmp_path / f"{number}.png" for number in range(5)]


def test_a_thumbnail_is_a_small_webp_that_keeps_the_proportions(pictures):
    with Image.open(BytesIO(thumbnail(pictures[0]))) as image:
        assert (image.format, image.size) == ("WEBP", (96, 64))


def test_nothing_of_the_file_but_its_pixels_is_kept(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "camera of Ada"
    Image.new("RGB", (50, 40), "red").save(tmp_path / "a.jpg", exif=exif, comment=b"by Ada")
    assert b"Ada" in (tmp_path / "a.jpg").read_bytes()
    assert b"Ada" not in thumbnail(tmp_path / "a.jpg")


def test_all_thumbnails_together_stay_within_their_budget(pictures, monkeypatch):
    sizes = [len(thumbnail(path)) for path in pictures]
    monkeypatch.setattr(support, "MOST_BYTES", sizes[3] + sizes[1] + 10)
    found = support._thumbnails(pictures, [3, 1, 0, 2])
    assert list(found) == [3, 1]


def test_an_image_that_is_gone_has_no_thumbnail(pictures):
    pictures[1].unlink()
    assert list(support._thumbnails(pictures, [1, 2])) == [2]


@pytest.mark.parametrize("images", [0, 1, 8, 9])
def test_features_read_a_block_at_a_time_are_those_read_at_once(images, monkeypatch):
    monkeypatch.setattr(support, "BLOCK", 4)
    rows = np.random.default_rng(0).normal(scale=1e5, size=(9, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(9)[:images]
    found = support._halves(order, lambda numbers: rows[numbers])
    assert np.array_equal(found, support.half_precision(rows[order]))
    assert found.dtype == np.float16

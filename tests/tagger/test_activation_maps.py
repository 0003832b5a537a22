"""`Tagger.maps`: the maps of the network that tags, and where the image lies in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imlgcn.activation_maps import Region
from imlgcn.data.transforms import EvalTransform
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings


def test_the_logits_beside_the_maps_are_those_that_tag(tagger, shapes):
    inputs = np.stack([tagger.load_input(shapes.parent / f"{n:02}.png") for n in range(3)])
    found = tagger.maps(inputs)
    np.testing.assert_allclose(found.logits, tagger.engine.logits(inputs), rtol=1e-5, atol=1e-5)
    assert found.kind == "score"
    assert found.maps.shape[:2] == (3, len(tagger.labels))
    assert found.regions == (Region(),) * 3
    bias = found.logits - found.maps.mean((2, 3))
    np.testing.assert_allclose(bias, bias[:1].repeat(3, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((200, 100), "pad", (0, 0.25, 1, 0.75)),
        ((100, 200), "pad", (0.25, 0, 0.75, 1)),
        ((200, 100), "squash", (0, 0, 1, 1)),
        ((64, 64), "pad", (0, 0, 1, 1)),
    ],
)
def test_the_region_is_where_the_image_lies_in_the_square(size, fit, expected):
    assert EvalTransform(ImageSettings(size=64, fit=fit)).region(size) == Region(*expected)


def test_the_region_is_what_is_not_padding_to_the_pixel():
    transform = EvalTransform(ImageSettings(size=64))
    for size in [(61, 33), (7, 200), (64, 63), (1, 900)]:
        pixels = transform(Image.new("RGB", size, "black"))
        rows, columns = np.nonzero(pixels.sum(axis=2) < 3 * 255)
        region = np.array(transform.region(size)) * 64
        ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert region.round(6).tolist() == ends


def test_known_labels_reach_the_maps(untrained):
    tagger = untrained("c_tran")
    inputs = np.zeros((2, 64, 64, 3), np.uint8)
    known = tagger.known_row({"red": 1})
    found = tagger.maps(inputs, known=known)
    rows = np.tile(known, (2, 1))
    np.testing.assert_allclose(found.logits, tagger.engine.logits(inputs, rows), atol=1e-4)
    assert not np.allclose(found.logits, tagger.maps(inputs).logits)


def test_a_head_without_maps_is_refused_with_those_that_have_them(untrained):
    tagger = untrained("cnn_rnn")
    with pytest.raises(
        InputError, match=r"'cnn_rnn' has no activation maps; these have: linear, mlp,"
    ):
        tagger.maps(np.zeros((1, 64, 64, 3), np.uint8))

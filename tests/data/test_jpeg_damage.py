"""Damaged pictures are refused, whole ones of every kind of file are not."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.images import ImageError, open_image

OPTIONS = ({}, {"optimize": True}, {"progressive": True})


def picture(generator, width=320, height=240):
    small = generator.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((width, height), 3), int)
    grain = generator.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def written(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return bytearray(file.getvalue())


def refused(content):
    try:
        open_image(bytes(content), size=64)
    except ImageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("size", [(640, 480), (2000, 1500), (17, 9), (4000, 1)])
def test_pictures_without_detail_are_not_called_damaged(size):
    """Their data can be zeros from start to end."""
    ramp = Image.linear_gradient("L").resize(size)
    images = [Image.new("RGB", size), Image.new("L", size, 255), ramp, ramp.convert("RGB")]
    others = ({"quality": 1, "optimize": True}, {"quality": 100}, {"subsampling": 0})
    for image, options in itertools.product(images, (*OPTIONS, *others)):
        assert refused(written(image, **options)) == ""


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("share", [0.1, 0.25])
def test_zeros_in_the_place_of_a_part_are_noticed(options, share):
    """A copy that was interrupted, or a bad sector: decoders show grey there."""
    generator = np.random.default_rng(0)
    for _ in range(5):
        content = written(picture(generator), **options)
        start, length = int(generator.uniform(0.3, 0.6) * len(content)), int(share * len(content))
        assert refused(content) == ""
        content[start : start + length] = bytes(length)
        assert "zeros stand where a part of the picture was" in refused(content)


@pytest.mark.parametrize("options", OPTIONS[:2], ids=str)
def test_a_header_that_claims_more_than_the_data_hold_is_noticed(options):
    content = written(picture(np.random.default_rng(0)), **options)
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = (14_000).to_bytes(2) * 2
    assert "far too little data for its size" in refused(content)


def test_what_follows_the_picture_does_not_matter():
    """Telephones append films, scanners zeros."""
    content = written(picture(np.random.default_rng(0)))
    assert refused(content + bytes(100_000)) == ""
    assert refused(content + bytes(100_000) + b"\xff\xd9") == ""


@pytest.mark.parametrize(("kind", "noticed"), [("PNG", 10), ("JPEG", 1)])
def test_single_bits_are_noticed_where_the_format_has_a_checksum(kind, noticed):
    """What docs/reliability.md says of 10 files with a changed bit."""
    generator = np.random.default_rng(1)
    found = 0
    for _ in range(10):
        content = written(picture(generator), kind)
        place = len(content) // 2 + int(generator.integers(-500, 500))
        content[place] ^= 1 << int(generator.integers(8))
        found += bool(refused(content))
    assert found == noticed

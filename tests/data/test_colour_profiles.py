"""Colours of another profile become those of sRGB; a file in sRGB or without a profile stays."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from imlgcn.data.image_input import as_image

from .conftest import encode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# primaries in XYZ (D50) of the published profiles
PRIMARIES = {
    "Display P3": (
        (0.51512, 0.2412, -0.00105),
        (0.29198, 0.69225, 0.04189),
        (0.1571, 0.06657, 0.78407),
    ),
    "Adobe RGB (1998)": (
        (0.60974, 0.31111, 0.01947),
        (0.20528, 0.62567, 0.06087),
        (0.14919, 0.06322, 0.74457),
    ),
}


def profile(name: str, gamma: float = 2.2) -> bytes:
    """Return a matrix profile (ICC.1:2010) with the primaries of a colour space."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"desc": description, b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)}
    for letter, xyz in zip("rgb", PRIMARIES[name], strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ " + bytes(4) + fixed(*xyz)
        tags[f"{letter}TRC".encode()] = curve
    offset, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for key, value in tags.items():
        value += bytes(-len(value) % 4)
        table += key + struct.pack(">II", offset + len(data), len(value))
        data += value
    size = offset + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + data


COLOURS = np.array([[[200, 60, 40], [60, 180, 70], [50, 60, 190], [128, 128, 128]]], np.uint8)


def pixels(kind="PNG", mode="RGB", **options):
    image = Image.fromarray(np.repeat(np.repeat(COLOURS, 8, 0), 8, 1)).convert(mode)
    given = encode(image, kind, **options)
    return np.asarray(as_image(given, size=64))[4, 4::8].astype(int)


def by_hand(name, gamma=2.2):
    """Convert by the definitions: to XYZ by the profile, to linear sRGB, through its curve."""
    linear = (COLOURS[0] / 255.0) ** gamma
    to_d50 = np.array(
        [[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
    )
    back = linear @ np.array(PRIMARIES[name]) @ np.linalg.inv(to_d50).T
    back = np.clip(back, 0, 1)
    coded = np.where(back <= 0.0031308, 12.92 * back, 1.055 * back ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(int)


@pytest.mark.parametrize("name", PRIMARIES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colours_of_another_profile_become_those_of_srgb(name, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = pixels(kind, icc_profile=profile(name), **options)
    assert np.abs(found - by_hand(name)).max() <= 2
    assert np.abs(found - COLOURS[0]).max() > 5, "else nothing was converted"


def test_srgb_none_and_a_damaged_profile_change_nothing():
    for options in ({}, {"icc_profile": SRGB}, {"icc_profile": b"no profile at all" * 9}):
        assert (pixels(**options) == COLOURS[0]).all()


def test_a_grey_image_with_an_rgb_profile_stays_grey_and_transparency_stays():
    grey = pixels(mode="L", icc_profile=profile("Display P3"))
    assert (np.ptp(grey, axis=-1) <= 1).all()
    clear = pixels(mode="RGBA", icc_profile=profile("Display P3"))
    assert np.abs(clear - by_hand("Display P3")).max() <= 2


def test_a_picture_gives_the_same_pixels_by_its_file_and_opened(tmp_path):
    image = Image.fromarray(np.repeat(np.repeat(COLOURS, 8, 0), 8, 1))
    path = tmp_path / "p3.png"
    path.write_bytes(encode(image, "PNG", icc_profile=profile("Display P3")))
    with Image.open(path) as opened:
        assert (np.asarray(as_image(opened, size=64)) == np.asarray(as_image(path, size=64))).all()

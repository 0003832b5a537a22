"""Colours of a profile (ICC) become sRGB, which networks have learnt, by littlecms.

Most files have no profile or that of sRGB: nothing is done for them. Perceptual intent, as image
viewers use it.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image

SPACES = {"RGB": "RGB", "CMYK": "CMYK"}  # a mode -> the colour space of profiles for it
MAX_PROFILE = 2**22  # bytes; of printers they take about one MiB


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return an RGB or CMYK image in sRGB; itself where its profile is sRGB, or no usable one."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= MAX_PROFILE:
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    from PIL import ImageCms

    changed = ImageCms.applyTransform(image, transform)
    if changed is None:
        return image
    changed.info.pop("icc_profile", None)
    return changed


@lru_cache(maxsize=32)
def _transform(content: bytes, mode: str) -> Any:
    """Return littlecms's transform from a profile to sRGB; None where there is nothing to do."""
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(content))
        space = profile.profile.xcolor_space.strip()
        if space != SPACES.get(mode) or "sRGB" in ImageCms.getProfileDescription(profile):
            return None
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(profile, srgb, mode, "RGB")
    except (
        ImageCms.PyCMSError,
        OSError,
        ValueError,
        TypeError,
    ):  # a damaged profile is not a profile
        return None

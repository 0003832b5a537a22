"""The cases, unpacked once: a picture is stored as its number and drawn here."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ARCHIVE = Path(__file__).parent / "cases.tar.xz"
PICTURES = (".jpg", ".png")


@cache
def picture(number: int, suffix: str) -> bytes:
    """Return a small picture; no two numbers are near duplicates."""
    blocks = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(blocks).resize((20, 15), Image.Resampling.NEAREST)
    image.save(file, "PNG" if suffix == ".png" else "JPEG", quality=60)
    return file.getvalue()


def unpack(folder: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            content = archive.extractfile(member).read()
            suffix = Path(member.name).suffix.lower()
            if suffix in PICTURES and content.isdigit():
                content = picture(int(content), suffix)
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@pytest.fixture(scope="session")
def cases(tmp_path_factory) -> Path:
    """The folder with a folder for each case."""
    folder = tmp_path_factory.mktemp("cases")
    unpack(folder)
    return folder

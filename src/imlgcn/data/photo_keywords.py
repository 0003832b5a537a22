"""The keywords that photo managers keep for an image: in its XMP sidecars and inside the file.

- XMP, in ``photo.jpg.xmp``, ``photo.xmp`` and the image itself (:mod:`imlgcn.data.xmp`).
- IPTC keywords, IIM 2:25 (https://iptc.org/std/IIM/4.2/specification/IIMV4.2.pdf), in the Photoshop
  block of a JPEG or the tag 33723 of a TIFF. They are UTF-8 where 1:90 says so or where the bytes
  are; otherwise Windows-1252, as ExifTool assumes (https://exiftool.org/faq.html#Q10).
- The tags of Windows Explorer, EXIF 0x9C9E, UTF-16, separated by semicolons.

Sidecars and image are read together. Within an image the first of XMP, IPTC and EXIF that holds
any counts (Metadata Working Group, guidance 2.0): IPTC cuts keywords at 64 bytes, and some programs
write ``????`` there for what Latin letters cannot spell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.data.images import ImageError, image_metadata
from imlgcn.data.xmp import Keywords, read_keywords, sidecars_of
from imlgcn.errors import InputError

XMP_TAG, IPTC_TAG, WINDOWS_TAG = 700, 33723, 0x9C9E
IPTC_BLOCK = 0x0404  # of the Photoshop resources
UTF_8 = b"\x1b%G"  # in the dataset 1:90
CHARACTER_SET, KEYWORD = (1, 90), (2, 25)


class PhotoKeywords(NamedTuple):
    """The keywords of an image by where they are, and what could not be read."""

    sidecar: Keywords
    embedded: Keywords
    problem: str = ""  # why the image's own keywords could not be read

    def by_people(self) -> PhotoKeywords:
        """Return the keywords without those that a tagger gave."""
        return PhotoKeywords(self.sidecar.by_people(), self.embedded.by_people(), self.problem)


def photo_keywords(image: Path) -> PhotoKeywords:
    """Return the keywords of an image.

    Raises:
        InputError: a sidecar is not XMP, or cannot be read.
    """
    try:
        embedded, problem = embedded_keywords(image), ""
    except InputError as error:
        embedded, problem = Keywords(), str(error)
    return PhotoKeywords(_sidecar_keywords(image), embedded, problem)


def _sidecar_keywords(image: Path) -> Keywords:
    found = Keywords()
    for path in sidecars_of(image):
        try:
            keywords = read_keywords(path.read_bytes())
        except (InputError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else error
            raise InputError(f"{path}: {reason}; correct it, or move it away") from None
        found = Keywords(
            found.plain + keywords.plain,
            found.paths + keywords.paths,
            found.written | keywords.written,
        )
    return found


def embedded_keywords(image: Path) -> Keywords:
    """Return the keywords inside an image file, of which only the header is read.

    Raises:
        InputError: the image cannot be opened, or its XMP is not well-formed.
    """
    info, tags = image_metadata(image)
    xmp = info.get("xmp") or tags.get(XMP_TAG) or b""
    if xmp:
        try:
            found = read_keywords(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
        except InputError as error:
            raise ImageError(f"{image}: its XMP {error}") from None
        if found.plain or found.paths:
            return found
    photoshop: Any = info.get("photoshop") or {}
    blocks = (photoshop.get(IPTC_BLOCK), tags.get(IPTC_TAG))
    iptc = next((iptc_keywords(block) for block in blocks if isinstance(block, bytes)), ())
    return Keywords(iptc or _windows_keywords(tags.get(WINDOWS_TAG)))


def iptc_keywords(block: bytes) -> tuple[str, ...]:
    r"""Return the keywords of an IPTC block, each once.

    >>> iptc_keywords(b"\x1c\x02\x19\x00\x03sea\x1c\x02\x19\x00\x04Caf\xe9")
    ('sea', 'Café')
    """
    is_utf_8, found = False, []
    for dataset, value in _datasets(block):
        if dataset == CHARACTER_SET:
            is_utf_8 = value == UTF_8
        elif dataset == KEYWORD:
            found.append(_decode(value, is_utf_8).strip(" \0\r\n\t"))
    return tuple(dict.fromkeys(keyword for keyword in found if keyword))


def _datasets(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield record, number and value of each dataset, up to the first that is none."""
    start = 0
    while start + 5 <= len(block) and block[start] == 0x1C:
        size, value = int.from_bytes(block[start + 3 : start + 5]), start + 5
        if size & 0x8000:  # the size of the size: a value of 32 KB or more
            length = size & 0x7FFF
            size, value = int.from_bytes(block[value : value + length]), value + length
        yield (block[start + 1], block[start + 2]), block[value : value + size]
        start = value + size


def _decode(value: bytes, is_utf_8: bool) -> str:
    try:
        return value.decode("utf-8", errors="replace" if is_utf_8 else "strict")
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def _windows_keywords(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple):  # of bytes as numbers
        value = bytes(value)
    if not isinstance(value, bytes):
        return ()
    parts = value.decode("utf-16-le", errors="replace").rstrip("\0").split(";")
    return tuple(dict.fromkeys(text for part in parts if (text := part.strip())))

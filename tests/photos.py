"""Photos with keywords, as photo managers write them."""

from __future__ import annotations

import io
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, PngImagePlugin

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
}


def xmp(subject=(), **lists) -> bytes:
    """Return an XMP packet; ``lr_hierarchicalSubject=["Places|sea"]`` adds a list."""
    named = {"dc:subject": subject} | {name.replace("_", ":", 1): lists[name] for name in lists}
    bags = "".join(
        f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{escape(e)}</rdf:li>' for e in entries)}</rdf:Bag>"
        f"</{name}>"
        for name, entries in named.items()
        if entries
    )
    prefixes = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {prefixes}>{bags}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    """Return one dataset of an IPTC block."""
    return bytes((0x1C, record, number)) + len(value).to_bytes(2, "big") + value


def with_iptc(jpeg: bytes, block: bytes) -> bytes:
    """Return a JPEG with an IPTC block in its Photoshop resources."""
    padded = block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + padded
    return jpeg[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def photo(path: Path, *, inside: bytes = b"", iptc: bytes = b"", windows: str = "") -> Path:
    """Write a picture of its own with the metadata given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    options: dict = {}
    if inside and path.suffix.lower() == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", inside.decode())
    elif path.suffix.lower() in (".tif", ".tiff"):
        options["tiffinfo"] = {tag: value for tag, value in ((700, inside), (33723, iptc)) if value}
    elif inside:
        options["xmp"] = inside
    if windows:
        options["exif"] = Image.Exif()
        options["exif"][0x9C9E] = windows.encode("utf-16-le") + b"\0\0"
    file = io.BytesIO()
    image.save(file, Image.registered_extensions()[path.suffix.lower()], **options)
    is_jpeg = path.suffix.lower() == ".jpg"
    path.write_bytes(with_iptc(file.getvalue(), iptc) if iptc and is_jpeg else file.getvalue())
    return path

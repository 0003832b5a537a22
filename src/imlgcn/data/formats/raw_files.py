"""RAW files of cameras, which are not read: people have whole folders of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from imlgcn.numbers import plural

RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
        *(".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
        *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    )
)


def raw_files(folders: Iterable[Path]) -> list[Path]:
    """Return the RAW files in and below some folders."""
    return [
        Path(parent, name)
        for folder in folders
        for parent, _, names in os.walk(folder)
        for name in sorted(names)
        if os.path.splitext(name)[1].lower() in RAW_SUFFIXES and not name.startswith(".")
    ]


def about_raw_files(files: Sequence[Path]) -> str:
    """Return what to do with RAW files, for a message."""
    kinds = Counter(file.suffix.lower() for file in files)
    one = files[0].suffix[1:]
    return (
        f"there are {plural(len(files), 'RAW file')} of a camera ({', '.join(kinds)}), which are "
        "not read: export them as JPEG under the same names, in your photo program, or take out "
        f"the pictures inside them (exiftool -b -JpgFromRaw -w .jpg -ext {one} FOLDER, or "
        "-PreviewImage)"
    )

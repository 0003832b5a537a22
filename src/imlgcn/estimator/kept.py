"""A tagger with the folder it lies in, which travels with it where it is pickled."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imlgcn.growing.tagger import Tagger
from imlgcn.tagger.folder import FILES, LOG, REPORT

LEFT_BEHIND = (LOG, REPORT)  # which nothing reads to tag, explain or change


class KeptTagger:
    """A tagger in a folder of the user, or in a temporary one that ends with this object.

    Pickled, it is the content of its files, so that it can be sent to another process or machine;
    the copy is written into a temporary folder. A pickle runs code when it is read: what is passed
    on to others is better the folder, or an exported file.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._own = None if folder is not None else TemporaryDirectory(prefix="imlgcn-")
        self.path = Path(self._own.name if self._own is not None else str(folder))
        self._tagger: Tagger | None = None

    @property
    def tagger(self) -> Tagger:
        """The tagger, opened on first use."""
        if self._tagger is None:
            self._tagger = Tagger.load(self.path)
        return self._tagger

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy is made of the files."""
        names = {*FILES, *self.tagger.info.sha256} - {*LEFT_BEHIND}
        files = {name: self.path / name for name in sorted(names)}
        content = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
        return _restored, (content,)


def _restored(content: dict[str, bytes]) -> KeptTagger:
    kept = KeptTagger()
    for name, data in content.items():
        (kept.path / name).write_bytes(data)
    return kept

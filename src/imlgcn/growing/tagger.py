"""The tagger with its labels open to change: what `imlgcn.Tagger` is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.extras import require
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger.info import read_info
from imlgcn.tagger.tagger import Tagger as FixedTagger

if TYPE_CHECKING:
    from imlgcn.exporting import Exported
    from imlgcn.growing.add import Added
    from imlgcn.growing.history import Change


class Tagger(FixedTagger):
    """Tags images with every label at or above its threshold; its labels may change.

    >>> tagger = Tagger.load("runs/demo")  # doctest: +SKIP
    >>> tagger("photo.jpg")  # doctest: +SKIP
    [Tag(label='food', probability=0.97, threshold=0.41), ...]
    >>> tagger.add_label("lighthouse", ["a.jpg", "b.jpg"]).images  # doctest: +SKIP
    2

    A change is written into the tagger's folder, and `undo` takes it back. The scores of all other
    labels stay.
    """

    def add_label(
        self,
        name: str,
        images: Sequence[str | Path],
        *,
        absent: Sequence[str | Path] = (),
        answers: Mapping[str, int] | None = None,
        share: float | None = None,
        progress: Progress = SILENT,
    ) -> Added:
        """Learn a label from a few images; :func:`imlgcn.growing.add_labels` learns many at once.

        Args:
            name: of the label; one that was added before learns from these images too.
            images: files that show it.
            absent: files that do not.
            answers: names of training images: 1 shows it, 0 does not.
            share: how frequent it is among the images to tag, 0 to 1. None: as the median label.
            progress: told what is done.

        Returns:
            What to expect of it.

        Raises:
            InputError: as for `add_labels`; nothing is changed.
        """
        require("torch", "changing labels")
        from imlgcn.growing.add import add_labels
        from imlgcn.growing.pool import NewLabel

        shown, others = (tuple(Path(path) for path in paths) for paths in (images, absent))
        label = NewLabel(name, shown, others, answers or {})
        _, (added,) = add_labels(self.path, [label], share=share, progress=progress)
        self._open_again()
        return added

    def export(
        self, format: str = "onnx", out: str | Path | None = None, **options: Any
    ) -> Exported:
        """Write the tagger as one file; ``options`` as for :func:`imlgcn.export`.

        Raises:
            InputError, ExportRefused: as there; nothing is written.
        """
        from imlgcn.exporting import export

        exported = export(self, format, out, **options)
        if exported.path.parent.samefile(self.path):  # its model.json names the file now
            self.info, self._in_process = read_info(self.path), None
        return exported

    def remove_label(self, *names: str) -> None:
        """Take labels out; as :func:`imlgcn.growing.remove_labels`."""
        require("torch", "changing labels")
        from imlgcn.growing.edit import remove_labels

        remove_labels(self.path, names)
        self._open_again()

    def rename_label(self, old: str, new: str) -> None:
        """Give a label another name; as :func:`imlgcn.growing.rename_label`."""
        require("torch", "changing labels")
        from imlgcn.growing.edit import rename_label

        rename_label(self.path, old, new)
        self._open_again()

    def merge_labels(self, names: Sequence[str], into: str) -> None:
        """Make one label of several; as :func:`imlgcn.growing.merge_labels`."""
        require("torch", "changing labels")
        from imlgcn.growing.edit import merge_labels

        merge_labels(self.path, names, into)
        self._open_again()

    def undo(self) -> Change:
        """Take the last change of labels back and return what it was."""
        require("torch", "changing labels")
        from imlgcn.growing.history import undo

        change = undo(self.path)
        self._open_again()
        return change

    def _open_again(self) -> None:
        again = type(self).load(
            self.path, engine=self._wanted, latency=self._latency, device=self._device
        )
        self.__dict__ = again.__dict__
